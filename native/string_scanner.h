// A JSON string after its opening quote, in any split: UTF-8 and escapes are checked, what it means goes to a sink.
#pragma once

#include <cstring>

#include "text.h"

namespace sluice {

// Takes nothing: for strings that only have to be valid.
struct NullSink {
  size_t Run(const uint8_t*, size_t count) { return count; }
  bool Code(uint32_t) { return true; }
};

// UTF-8 of a code point; returns its length.
inline size_t EncodeUtf8(uint32_t code, uint8_t out[4]) {
  if (code < 0x80) {
    out[0] = static_cast<uint8_t>(code);
    return 1;
  }
  if (code < 0x800) {
    out[0] = static_cast<uint8_t>(0xC0 | code >> 6);
    out[1] = static_cast<uint8_t>(0x80 | (code & 0x3F));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = static_cast<uint8_t>(0xE0 | code >> 12);
    out[1] = static_cast<uint8_t>(0x80 | (code >> 6 & 0x3F));
    out[2] = static_cast<uint8_t>(0x80 | (code & 0x3F));
    return 3;
  }
  out[0] = static_cast<uint8_t>(0xF0 | code >> 18);
  out[1] = static_cast<uint8_t>(0x80 | (code >> 12 & 0x3F));
  out[2] = static_cast<uint8_t>(0x80 | (code >> 6 & 0x3F));
  out[3] = static_cast<uint8_t>(0x80 | (code & 0x3F));
  return 4;
}

struct StringSink {
  std::string& out;
  size_t Run(const uint8_t* bytes, size_t count) {
    out.append(reinterpret_cast<const char*>(bytes), count);
    return count;
  }
  bool Code(uint32_t code) {
    uint8_t bytes[4];
    out.append(reinterpret_cast<const char*>(bytes), EncodeUtf8(code, bytes));
    return true;
  }
};

// Continuation bytes that a UTF-8 lead byte asks for (Unicode 15, table 3-7); need 0: not a lead byte.
struct Utf8Tail {
  uint8_t need, low, high;
};
inline Utf8Tail TailOf(uint8_t lead) {
  if (lead < 0xC2 || lead > 0xF4) return {0, 0, 0};
  if (lead < 0xE0) return {1, 0x80, 0xBF};
  if (lead < 0xF0) return {2, static_cast<uint8_t>(lead == 0xE0 ? 0xA0 : 0x80), static_cast<uint8_t>(lead == 0xED ? 0x9F : 0xBF)};
  return {3, static_cast<uint8_t>(lead == 0xF0 ? 0x90 : 0x80), static_cast<uint8_t>(lead == 0xF4 ? 0x8F : 0xBF)};
}

class StringScanner {
 public:
  enum class Status { kMore, kEnd, kFull, kFault };

  void Begin() { state_ = State::kPlain; }
  const Fault& fault() const { return fault_; }

  // kFull: the sink took less than it was given; what it took is consumed, the rest is not.
  template <class Sink>
  Status Scan(Input& in, Sink& sink) {
    while (in.p < in.end) {
      const uint8_t c = *in.p;
      switch (state_) {
        case State::kPlain: {
          const uint8_t* stop = in.p;
          while (stop < in.end && *stop >= 0x20 && *stop < 0x80 && *stop != '"' && *stop != '\\') ++stop;
          if (stop > in.p) {
            const auto length = static_cast<size_t>(stop - in.p);
            const size_t taken = sink.Run(in.p, length);
            in.p += taken;
            if (taken < length) return Status::kFull;
            continue;
          }
          if (c == '"') {
            ++in.p;
            return Status::kEnd;
          }
          if (c == '\\') {
            escape_start_ = in.Position();
            high_ = 0;
            state_ = State::kEscape;
          } else if (c < 0x20) {
            return Fail(in.Position(), "a control character must be escaped in a string");
          } else {
            tail_ = TailOf(c);
            if (tail_.need == 0) return Fail(in.Position(), kInvalidUtf8);
            if (sink.Run(&c, 1) == 0) return Status::kFull;
            state_ = State::kTail;
          }
          break;
        }
        case State::kTail:
          if (c < tail_.low || c > tail_.high) return Fail(in.Position(), kInvalidUtf8);
          if (sink.Run(&c, 1) == 0) return Status::kFull;
          tail_ = {static_cast<uint8_t>(tail_.need - 1), 0x80, 0xBF};
          if (tail_.need == 0) state_ = State::kPlain;
          break;
        case State::kEscape: {
          if (c == 'u') {
            unit_ = 0;
            digits_ = 0;
            state_ = State::kHex;
            break;
          }
          constexpr char kFrom[] = "\"\\/bfnrt";
          constexpr char kTo[] = "\"\\/\b\f\n\r\t";
          const char* const found = c == 0 ? nullptr : std::strchr(kFrom, c);
          if (found == nullptr) return Fail(escape_start_, "unknown escape in a string");
          if (!sink.Code(static_cast<uint8_t>(kTo[found - kFrom]))) return Status::kFull;
          state_ = State::kPlain;
          break;
        }
        case State::kHex: {
          const int digit = HexDigit(c);
          if (digit < 0) return Fail(escape_start_, "\\u in a string needs four hexadecimal digits");
          const uint32_t unit = unit_ << 4 | static_cast<uint32_t>(digit);
          if (digits_ == 3) {
            const bool is_low = unit >= 0xDC00 && unit <= 0xDFFF;
            if (is_low != (high_ != 0)) return Fail(escape_start_, kLoneSurrogate);
            if (high_ == 0 && unit >= 0xD800 && unit <= 0xDBFF) {
              high_ = unit;
              state_ = State::kBackslash;
              break;
            }
            const uint32_t code = is_low ? 0x10000 + ((high_ - 0xD800) << 10) + (unit - 0xDC00) : unit;
            if (!sink.Code(code)) return Status::kFull;
            state_ = State::kPlain;
          } else {
            unit_ = unit;
            ++digits_;
          }
          break;
        }
        case State::kBackslash:
          if (c != '\\') return Fail(escape_start_, kLoneSurrogate);
          state_ = State::kLowU;
          break;
        case State::kLowU:
          if (c != 'u') return Fail(escape_start_, kLoneSurrogate);
          unit_ = 0;
          digits_ = 0;
          state_ = State::kHex;
          break;
      }
      ++in.p;
    }
    return Status::kMore;
  }

 private:
  enum class State : uint8_t { kPlain, kTail, kEscape, kHex, kBackslash, kLowU };
  static constexpr const char* kInvalidUtf8 = "invalid UTF-8 in a string";
  static constexpr const char* kLoneSurrogate = "a lone surrogate in a string";

  static int HexDigit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    const uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }

  Status Fail(uint64_t position, const char* message) {
    fault_ = {position, message};
    return Status::kFault;
  }

  State state_ = State::kPlain;
  Utf8Tail tail_{0, 0, 0};
  uint32_t unit_ = 0;
  uint32_t high_ = 0;
  int digits_ = 0;
  uint64_t escape_start_ = 0;
  Fault fault_;
};

}  // namespace sluice
