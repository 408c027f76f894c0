// What the JSON readers share: a position in the body, faults, and how bytes are shown in messages.
// src/native/fallback/text.ts says the same in TypeScript; the shared suite compares the two message by message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decimal.h"

namespace sluice {

// A chunk and how far it has been read. `base` is the position of its first byte in the whole body.
struct Input {
  const uint8_t* begin;
  const uint8_t* p;
  const uint8_t* end;
  uint64_t base;

  uint64_t Position() const { return base + static_cast<uint64_t>(p - begin); }
};

// A client's mistake.
struct Fault {
  uint64_t position = 0;
  std::string message;
};

inline bool IsSpace(uint8_t byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

inline void SkipSpace(Input& in) {
  while (in.p < in.end && IsSpace(*in.p)) ++in.p;
}

// Ends a number or word: what JSON's structure is made of.
inline bool IsDelimiter(uint8_t byte) {
  return IsSpace(byte) || byte == ',' || byte == ']' || byte == '}' || byte == '[' || byte == '{' || byte == ':' ||
         byte == '"';
}

std::string Snippet(std::string_view raw);          // at most 32 bytes, printable
std::string Describe(uint8_t byte);                 // one byte, for "… stands where … is expected"
std::string ShapeText(const std::vector<uint64_t>& shape);
bool IsJsonNumber(std::string_view text);

// A number or word that may be split over chunks.
struct Token {
  std::string text;
  uint64_t start = 0;

  enum class Status { kMore, kEnd, kTooLong };

  void Begin(uint64_t position) {
    text.clear();
    start = position;
  }

  // Gathers up to the next delimiter, which is not consumed.
  Status Read(Input& in) {
    const uint8_t* stop = in.p;
    const size_t room = decimal::kMaxTokenBytes - text.size();
    while (stop < in.end && !IsDelimiter(*stop) && static_cast<size_t>(stop - in.p) < room) ++stop;
    text.append(reinterpret_cast<const char*>(in.p), static_cast<size_t>(stop - in.p));
    in.p = stop;
    if (stop == in.end) return Status::kMore;
    return IsDelimiter(*stop) ? Status::kEnd : Status::kTooLong;
  }

  Fault TooLong() const { return {start, "a number or word of more than 1024 bytes"}; }
};

}  // namespace sluice
