// Decimal text to binary floats, correctly rounded (round half to even), for the numbers that tensors are made of.
//
// ParseDecimal is the fast path: one pass that checks JSON's grammar, gathers up to 19 digits eight at a time, and rounds
// with the Eisel-Lemire product (D. Lemire, "Number Parsing at a Gigabyte per Second", 2021). It covers decimal exponents
// -27…55, where the 128-bit powers of five leave no undecided case; anything else returns null and takes
// std::from_chars. About 2x std::from_chars on 17-digit input, because the grammar check comes with it.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice {
namespace decimal {

using Wide = unsigned __int128;

constexpr int kMinPower = -27;
constexpr int kMaxPower = 55;

struct Power {
  uint64_t high;
  uint64_t low;
};

// 5^q with its top bit at bit 127: exact for q >= 0 (5^55 < 2^128), the reciprocal rounded up for q < 0.
constexpr Power PowerOfFive(int q) {
  Wide power = 1;
  for (int i = 0; i < (q < 0 ? -q : q); ++i) power *= 5;
  if (q < 0) {
    int bits = 0;
    while ((static_cast<Wide>(1) << bits) < power) ++bits;
    Wide quotient = 0;
    Wide remainder = 1;  // long division of 2^(bits + 127) by 5^-q
    for (int i = 0; i < bits + 127; ++i) {
      remainder <<= 1;
      quotient <<= 1;
      if (remainder >= power) {
        remainder -= power;
        quotient |= 1;
      }
    }
    power = quotient + 1;
  }
  while ((power >> 127) == 0) power <<= 1;
  return Power{static_cast<uint64_t>(power >> 64), static_cast<uint64_t>(power)};
}

constexpr auto MakePowers() {
  std::array<Power, kMaxPower - kMinPower + 1> powers{};
  for (int q = kMinPower; q <= kMaxPower; ++q) powers[static_cast<size_t>(q - kMinPower)] = PowerOfFive(q);
  return powers;
}
inline constexpr auto kPowers = MakePowers();

template <class Float>
struct Format;
template <>
struct Format<float> {
  using Bits = uint32_t;
  static constexpr int kFraction = 23, kBias = 127, kInfinity = 0xFF, kTieMin = -17, kTieMax = 10;
};
template <>
struct Format<double> {
  using Bits = uint64_t;
  static constexpr int kFraction = 52, kBias = 1023, kInfinity = 0x7FF, kTieMin = -4, kTieMax = 23;
};

// w × 10^q, w != 0. False for subnormal and overflowing results.
template <class Float>
inline bool Round(uint64_t w, int q, bool negative, Float& out) {
  using F = Format<Float>;
  constexpr uint64_t kMask = ~uint64_t{0} >> (F::kFraction + 3);
  const int leading = __builtin_clzll(w);
  w <<= leading;
  const Power& power = kPowers[static_cast<size_t>(q - kMinPower)];
  const Wide first = static_cast<Wide>(w) * power.high;
  uint64_t high = static_cast<uint64_t>(first >> 64);
  uint64_t low = static_cast<uint64_t>(first);
  if ((high & kMask) == kMask) {
    const uint64_t second = static_cast<uint64_t>((static_cast<Wide>(w) * power.low) >> 64);
    low += second;
    if (second > low) ++high;
  }
  const int upper = static_cast<int>(high >> 63);
  const int shift = upper + 64 - F::kFraction - 3;
  uint64_t mantissa = high >> shift;
  // floor(log2(10^q)) = (217706 q) >> 16 over this range
  int exponent = ((217706 * q) >> 16) + 63 + upper - leading + F::kBias;
  if (exponent <= 0) return false;
  if (low <= 1 && q >= F::kTieMin && q <= F::kTieMax && (mantissa & 3) == 1 && (mantissa << shift) == high) {
    mantissa &= ~uint64_t{1};  // exactly half way: to even
  }
  mantissa += mantissa & 1;
  mantissa >>= 1;
  if (mantissa >= (uint64_t{2} << F::kFraction)) {
    mantissa = uint64_t{1} << F::kFraction;
    ++exponent;
  }
  if (exponent >= F::kInfinity) return false;
  mantissa &= (uint64_t{1} << F::kFraction) - 1;
  const auto bits = static_cast<typename F::Bits>(
      mantissa | (static_cast<uint64_t>(exponent) << F::kFraction) |
      (static_cast<uint64_t>(negative) << (8 * sizeof(Float) - 1)));
  std::memcpy(&out, &bits, sizeof(out));
  return true;
}

inline bool IsDigit(uint8_t byte) { return static_cast<uint8_t>(byte - '0') < 10; }

inline uint64_t Load8(const uint8_t* p) {
  uint64_t value;
  std::memcpy(&value, p, 8);
  return value;
}

inline bool AreEightDigits(uint64_t value) {
  return ((value & 0xF0F0F0F0F0F0F0F0) | (((value + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0) >> 4)) ==
         0x3333333333333333;
}

inline uint32_t EightDigits(uint64_t value) {
  constexpr uint64_t kMask = 0x000000FF000000FF;
  value -= 0x3030303030303030;
  value = value * 10 + (value >> 8);
  return static_cast<uint32_t>(((value & kMask) * 0x000F424000000064 + ((value >> 16) & kMask) * 0x0000271000000001) >> 32);
}

// Longest number token (see token.h): a longer one must not pass here when it lies in one chunk and fail when it is split.
constexpr size_t kMaxTokenBytes = 1024;

// Reads a JSON number at p. Returns the position after it, or null when it is not for the fast path (which may mean that
// it is no number at all). The caller checks that a delimiter follows: at `end` the token may go on in the next chunk.
template <class Float>
inline const uint8_t* ParseDecimal(const uint8_t* p, const uint8_t* end, Float& out) {
  const uint8_t* const begin = p;
  const bool negative = p < end && *p == '-';
  p += negative;
  if (p == end || !IsDigit(*p)) return nullptr;
  const uint8_t* const digits = p;
  uint64_t w = static_cast<uint64_t>(*p++ - '0');
  if (w != 0) {
    for (; p < end && IsDigit(*p); ++p) w = w * 10 + static_cast<uint64_t>(*p - '0');
  }
  ptrdiff_t count = p - digits;
  ptrdiff_t q = 0;
  if (p < end && *p == '.') {
    const uint8_t* const fraction = ++p;
    for (; end - p >= 8 && AreEightDigits(Load8(p)); p += 8) w = w * 100000000 + EightDigits(Load8(p));
    for (; p < end && IsDigit(*p); ++p) w = w * 10 + static_cast<uint64_t>(*p - '0');
    if (p == fraction) return nullptr;
    q = fraction - p;
    count -= q;
  }
  if (count > 19) {
    const uint8_t* zero = digits;
    for (; zero < p && (*zero == '0' || *zero == '.'); ++zero) count -= *zero == '0';
    if (count > 19) return nullptr;  // w has overflowed
  }
  if (p < end && (*p | 0x20) == 'e') {
    const bool minus = ++p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) ++p;
    int exponent = 0;
    const uint8_t* const start = p;
    for (; p < end && IsDigit(*p); ++p) {
      if (p - start == 4) return nullptr;
      exponent = exponent * 10 + (*p - '0');
    }
    if (p == start) return nullptr;
    q += minus ? -exponent : exponent;
  }
  if (p - begin > static_cast<ptrdiff_t>(kMaxTokenBytes)) return nullptr;
  if (w == 0) {
    out = negative ? -Float{0} : Float{0};
  } else if (q == 0) {
    out = static_cast<Float>(w);  // the conversion itself rounds half to even
    if (negative) out = -out;
  } else if (q < kMinPower || q > kMaxPower || !Round(w, static_cast<int>(q), negative, out)) {
    return nullptr;
  }
  return p;
}

}  // namespace decimal

// IEEE binary16 of a double, rounded once, half to even; infinity from 65520 on.
inline uint16_t HalfFromDouble(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const auto sign = static_cast<uint16_t>((bits >> 48) & 0x8000);
  const double magnitude = std::fabs(value);
  if (std::isnan(value)) return 0x7E00;
  if (magnitude >= 65520.0) return sign | 0x7C00;
  if (magnitude < 0x1p-14) return sign | static_cast<uint16_t>(std::nearbyint(magnitude * 0x1p24));
  const uint64_t rest = bits & ((uint64_t{1} << 42) - 1);
  uint64_t half = ((bits & 0x7FFFFFFFFFFFFFFF) >> 42) - (uint64_t{1023 - 15} << 10);
  constexpr uint64_t kTie = uint64_t{1} << 41;
  if (rest > kTie || (rest == kTie && (half & 1) != 0)) ++half;
  return sign | static_cast<uint16_t>(half);
}

inline double DoubleFromHalf(uint16_t half) {
  const int exponent = (half >> 10) & 0x1F;
  const int fraction = half & 0x3FF;
  double magnitude;
  if (exponent == 0x1F) {
    magnitude = fraction == 0 ? HUGE_VAL : std::nan("");
  } else if (exponent == 0) {
    magnitude = std::ldexp(fraction, -24);
  } else {
    magnitude = std::ldexp(fraction + 1024, exponent - 25);
  }
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

}  // namespace sluice
