#include "number_run.h"

#include <cstring>
#include <type_traits>

#include "decimal.h"

namespace sluice {

namespace {

// An integer of up to 18 digits that fits T: the common case. Null for all else.
template <class T>
const uint8_t* ParseInteger(const uint8_t* p, const uint8_t* end, T& out) {
  const bool negative = std::is_signed_v<T> && p < end && *p == '-';
  p += negative;
  const uint8_t* const digits = p;
  int64_t value = 0;
  for (; p < end && decimal::IsDigit(*p); ++p) {
    if (p - digits == 18) return nullptr;
    value = value * 10 + (*p - '0');
  }
  if (p == digits || (*digits == '0' && p - digits > 1)) return nullptr;
  if (negative) value = -value;
  out = static_cast<T>(value);
  // for uint64 the comparison is between values below 10^18, which int64 holds too
  return static_cast<int64_t>(out) == value ? p : nullptr;
}

const uint8_t* ParseHalf(const uint8_t* p, const uint8_t* end, uint16_t& out) {
  double value;
  p = decimal::ParseDecimal(p, end, value);
  if (p == nullptr) return nullptr;
  out = HalfFromDouble(value);
  return (out & 0x7FFF) == 0x7C00 ? nullptr : p;
}

template <class T, const uint8_t* (*Parse)(const uint8_t*, const uint8_t*, T&)>
NumberRun Run(Input& in, uint64_t room, uint8_t* out) {
  // `out` may alias anything: what the loop reads is kept in locals, or it would be loaded again after each store
  const uint8_t* const end = in.end;
  const uint8_t* p = in.p;
  uint64_t entries = 0;
  bool ended = false;
  while (entries < room && !ended) {
    const uint8_t* value_at = p;
    while (value_at < end && IsSpace(*value_at)) ++value_at;
    T value;
    const uint8_t* const after = Parse(value_at, end, value);
    if (after == nullptr || after == end) break;
    const uint8_t delimiter = *after;
    if (delimiter != ',' && delimiter != ']' && !IsSpace(delimiter)) break;
    std::memcpy(out + entries * sizeof(value), &value, sizeof(value));
    ++entries;
    ended = delimiter != ',';
    p = ended ? after : after + 1;
  }
  in.p = p;
  return {entries, ended};
}

}  // namespace

NumberRun ReadNumbers(Datatype datatype, Input& in, uint64_t room, uint8_t* out) {
  switch (datatype) {
    case Datatype::kUint8: return Run<uint8_t, ParseInteger>(in, room, out);
    case Datatype::kUint16: return Run<uint16_t, ParseInteger>(in, room, out);
    case Datatype::kUint32: return Run<uint32_t, ParseInteger>(in, room, out);
    case Datatype::kUint64: return Run<uint64_t, ParseInteger>(in, room, out);
    case Datatype::kInt8: return Run<int8_t, ParseInteger>(in, room, out);
    case Datatype::kInt16: return Run<int16_t, ParseInteger>(in, room, out);
    case Datatype::kInt32: return Run<int32_t, ParseInteger>(in, room, out);
    case Datatype::kInt64: return Run<int64_t, ParseInteger>(in, room, out);
    case Datatype::kFp16: return Run<uint16_t, ParseHalf>(in, room, out);
    case Datatype::kFp32: return Run<float, decimal::ParseDecimal>(in, room, out);
    case Datatype::kFp64: return Run<double, decimal::ParseDecimal>(in, room, out);
    case Datatype::kBool:
    case Datatype::kBytes: break;
  }
  return {0, false};
}

}  // namespace sluice
