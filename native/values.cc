#include "values.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "text.h"

namespace sluice {

namespace {

template <class T>
void Store(uint8_t* out, T value) {
  std::memcpy(out, &value, sizeof(value));
}

std::string OutOfRange(std::string_view text, Datatype datatype) {
  return Snippet(text) + " is out of range for " + DatatypeName(datatype);
}

// JSON's -0 is 0 for every integer type.
template <class T>
std::string StoreInteger(Datatype datatype, std::string_view text, uint8_t* out) {
  if (text.find_first_of(".eE") != std::string_view::npos) return Snippet(text) + " is not an integer";
  T value = 0;
  if (text != "-0") {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    // unsigned from_chars takes no sign: it stops at the '-' with invalid_argument, which is out of range here
    if (result.ec != std::errc()) return OutOfRange(text, datatype);
  }
  Store(out, value);
  return {};
}

// from_chars says "out of range" for both ends. Values of the form d.ddd × 10^e with e > 0 can only be too large.
bool IsHuge(std::string_view number) {
  size_t i = number[0] == '-' ? 1 : 0;
  int64_t exponent = 0;
  bool fraction = false;
  bool leading = true;
  for (; i < number.size() && (number[i] | 0x20) != 'e'; ++i) {
    if (number[i] == '.') {
      fraction = true;
    } else if (leading && number[i] == '0') {
      exponent -= fraction;
    } else {
      exponent += !fraction && !leading;
      exponent -= fraction && leading;
      leading = false;
    }
  }
  if (i < number.size()) {
    const size_t start = i + 1 + (number[i + 1] == '+');
    int64_t written = 0;
    const auto result = std::from_chars(number.data() + start, number.data() + number.size(), written);
    if (result.ec != std::errc()) return number[start] != '-';
    exponent += written < 0 ? std::max<int64_t>(written, -100000) : std::min<int64_t>(written, 100000);
  }
  return exponent > 0;
}

template <class Float>
bool ToFloat(std::string_view text, Float& value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc()) return true;
  if (IsHuge(text)) return false;
  value = text[0] == '-' ? -Float{0} : Float{0};  // rounds to zero
  return true;
}

std::string StoreFloat(Datatype datatype, std::string_view text, uint8_t* out) {
  if (datatype == Datatype::kFp32) {
    float value;
    if (!ToFloat(text, value)) return OutOfRange(text, datatype);
    Store(out, value);
    return {};
  }
  double value;
  if (!ToFloat(text, value)) return OutOfRange(text, datatype);
  if (datatype == Datatype::kFp64) {
    Store(out, value);
    return {};
  }
  const uint16_t half = HalfFromDouble(value);
  if ((half & 0x7FFF) == 0x7C00) return OutOfRange(text, datatype);
  Store(out, half);
  return {};
}

void StoreSpecial(Datatype datatype, double value, uint8_t* out) {
  switch (datatype) {
    case Datatype::kFp16: Store(out, HalfFromDouble(value)); break;
    case Datatype::kFp32: Store(out, static_cast<float>(value)); break;
    default: Store(out, value); break;
  }
}

bool IsSpecial(std::string_view text, double& value) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (text == "NaN") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (text == "Infinity") {
    value = kInfinity;
  } else if (text == "-Infinity") {
    value = -kInfinity;
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::string StoreValue(Datatype datatype, std::string_view text, uint8_t* out) {
  if (datatype == Datatype::kBytes) return Snippet(text) + " is not a string";
  if (datatype == Datatype::kBool) {
    const bool is_true = text == "true" || text == "1";
    if (!is_true && text != "false" && text != "0") return Snippet(text) + " is not true or false";
    *out = is_true ? 1 : 0;
    return {};
  }
  if (IsFloat(datatype)) {
    const bool quoted = text.size() > 2 && text.front() == '"' && text.back() == '"';
    double special;
    if (IsSpecial(quoted ? text.substr(1, text.size() - 2) : text, special)) {
      StoreSpecial(datatype, special, out);
      return {};
    }
  }
  if (!IsJsonNumber(text)) return Snippet(text) + " is not a number";
  switch (datatype) {
    case Datatype::kUint8: return StoreInteger<uint8_t>(datatype, text, out);
    case Datatype::kUint16: return StoreInteger<uint16_t>(datatype, text, out);
    case Datatype::kUint32: return StoreInteger<uint32_t>(datatype, text, out);
    case Datatype::kUint64: return StoreInteger<uint64_t>(datatype, text, out);
    case Datatype::kInt8: return StoreInteger<int8_t>(datatype, text, out);
    case Datatype::kInt16: return StoreInteger<int16_t>(datatype, text, out);
    case Datatype::kInt32: return StoreInteger<int32_t>(datatype, text, out);
    case Datatype::kInt64: return StoreInteger<int64_t>(datatype, text, out);
    default: return StoreFloat(datatype, text, out);
  }
}

}  // namespace sluice
