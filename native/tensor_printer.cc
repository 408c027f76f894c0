#include "tensor_printer.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "decimal.h"
#include "string_scanner.h"

namespace sluice {

namespace {

// A cursor over the output that stops, instead of overflowing.
class Writer {
 public:
  Writer(char* p, char* end) : p_(p), end_(end) {}
  char* p() const { return p_; }
  char* end() const { return end_; }

  bool Put(char c) {
    if (p_ == end_) return false;
    *p_++ = c;
    return true;
  }
  bool Put(const char* text, size_t length) {
    if (static_cast<size_t>(end_ - p_) < length) return false;
    std::memcpy(p_, text, length);
    p_ += length;
    return true;
  }
  template <class T>
  bool PutNumber(T value) {
    const auto result = std::to_chars(p_, end_, value);
    if (result.ec != std::errc()) return false;
    p_ = result.ptr;
    return true;
  }

 private:
  char* p_;
  char* end_;
};

template <size_t N>
bool PutLiteral(Writer& out, const char (&text)[N]) {
  return out.Put(text, N - 1);
}

bool PutSpecial(Writer& out, double value) {
  if (std::isnan(value)) return PutLiteral(out, "\"NaN\"");
  return value > 0 ? PutLiteral(out, "\"Infinity\"") : PutLiteral(out, "\"-Infinity\"");
}

// The fewest digits that come back to the same half: five are always enough.
bool PutHalf(Writer& out, uint16_t half) {
  const double value = DoubleFromHalf(half);
  if (!std::isfinite(value)) return PutSpecial(out, value);
  for (int digits = 1;; ++digits) {
    char text[32];
    const auto printed = std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific, digits - 1);
    double back = 0;
    std::from_chars(text, printed.ptr, back);
    if (digits == 5 || HalfFromDouble(back) == half) return out.PutNumber(back);
  }
}

template <class T>
bool PutValue(Writer& out, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return PutSpecial(out, value);
  }
  return out.PutNumber(value);
}

bool PutBool(Writer& out, uint8_t value) { return value != 0 ? PutLiteral(out, "true") : PutLiteral(out, "false"); }

template <class T, class Put>
int64_t PrintElements(Writer out, const char* begin, const uint8_t* data, size_t bytes, Put put) {
  if (bytes % sizeof(T) != 0) return kMalformed;
  if (!out.Put('[')) return kDoesNotFit;
  for (size_t i = 0; i < bytes; i += sizeof(T)) {
    T value;
    std::memcpy(&value, data + i, sizeof(T));
    if (i > 0 && !out.Put(',')) return kDoesNotFit;
    if (!put(out, value)) return kDoesNotFit;
  }
  if (!out.Put(']')) return kDoesNotFit;
  return out.p() - begin;
}

// Length of the valid UTF-8 sequence at p, or 0.
size_t SequenceLength(const uint8_t* p, const uint8_t* end) {
  const Utf8Tail tail = TailOf(*p);
  if (tail.need == 0 || end - p <= tail.need || p[1] < tail.low || p[1] > tail.high) return 0;
  for (int i = 2; i <= tail.need; ++i) {
    if (p[i] < 0x80 || p[i] > 0xBF) return 0;
  }
  return size_t{tail.need} + 1;
}

bool PutEscaped(Writer& out, uint8_t c) {
  switch (c) {
    case '"': return PutLiteral(out, "\\\"");
    case '\\': return PutLiteral(out, "\\\\");
    case '\b': return PutLiteral(out, "\\b");
    case '\f': return PutLiteral(out, "\\f");
    case '\n': return PutLiteral(out, "\\n");
    case '\r': return PutLiteral(out, "\\r");
    case '\t': return PutLiteral(out, "\\t");
    default: {
      constexpr char kHex[] = "0123456789abcdef";
      const char text[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      return out.Put(text, sizeof(text));
    }
  }
}

int64_t PutString(Writer& out, const uint8_t* p, const uint8_t* end) {
  if (!out.Put('"')) return kDoesNotFit;
  while (p < end) {
    const uint8_t* stop = p;
    while (stop < end && *stop >= 0x20 && *stop < 0x80 && *stop != '"' && *stop != '\\') ++stop;
    if (!out.Put(reinterpret_cast<const char*>(p), static_cast<size_t>(stop - p))) return kDoesNotFit;
    p = stop;
    if (p == end) break;
    if (*p < 0x80) {
      if (!PutEscaped(out, *p++)) return kDoesNotFit;
      continue;
    }
    const size_t length = SequenceLength(p, end);
    if (length == 0) return kInvalidUtf8;
    if (!out.Put(reinterpret_cast<const char*>(p), length)) return kDoesNotFit;
    p += length;
  }
  return out.Put('"') ? 0 : kDoesNotFit;
}

int64_t PrintBytes(Writer out, const char* begin, const uint8_t* data, size_t bytes) {
  if (!out.Put('[')) return kDoesNotFit;
  for (size_t i = 0; i < bytes;) {
    uint32_t length;
    if (bytes - i < sizeof(length)) return kMalformed;
    std::memcpy(&length, data + i, sizeof(length));
    if (bytes - i - sizeof(length) < length) return kMalformed;
    if (i > 0 && !out.Put(',')) return kDoesNotFit;
    i += sizeof(length);
    const int64_t status = PutString(out, data + i, data + i + length);
    if (status < 0) return status;
    i += length;
  }
  if (!out.Put(']')) return kDoesNotFit;
  return out.p() - begin;
}

}  // namespace

int64_t PrintTensor(const uint8_t* data, size_t bytes, Datatype datatype, uint8_t* out, size_t out_bytes, size_t at) {
  char* const begin = reinterpret_cast<char*>(out);
  const Writer writer(begin + at, begin + out_bytes);
  switch (datatype) {
    case Datatype::kBool: return PrintElements<uint8_t>(writer, begin, data, bytes, PutBool);
    case Datatype::kUint8: return PrintElements<uint8_t>(writer, begin, data, bytes, PutValue<uint8_t>);
    case Datatype::kUint16: return PrintElements<uint16_t>(writer, begin, data, bytes, PutValue<uint16_t>);
    case Datatype::kUint32: return PrintElements<uint32_t>(writer, begin, data, bytes, PutValue<uint32_t>);
    case Datatype::kUint64: return PrintElements<uint64_t>(writer, begin, data, bytes, PutValue<uint64_t>);
    case Datatype::kInt8: return PrintElements<int8_t>(writer, begin, data, bytes, PutValue<int8_t>);
    case Datatype::kInt16: return PrintElements<int16_t>(writer, begin, data, bytes, PutValue<int16_t>);
    case Datatype::kInt32: return PrintElements<int32_t>(writer, begin, data, bytes, PutValue<int32_t>);
    case Datatype::kInt64: return PrintElements<int64_t>(writer, begin, data, bytes, PutValue<int64_t>);
    case Datatype::kFp16: return PrintElements<uint16_t>(writer, begin, data, bytes, PutHalf);
    case Datatype::kFp32: return PrintElements<float>(writer, begin, data, bytes, PutValue<float>);
    case Datatype::kFp64: return PrintElements<double>(writer, begin, data, bytes, PutValue<double>);
    case Datatype::kBytes: return PrintBytes(writer, begin, data, bytes);
  }
  return kMalformed;
}

}  // namespace sluice
