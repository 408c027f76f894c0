#include "text.h"

namespace sluice {

namespace {

constexpr size_t kSnippetBytes = 32;

void AppendPrintable(std::string& out, std::string_view raw) {
  for (const char c : raw) out += (c >= 0x20 && c < 0x7F) ? c : '?';
}

}  // namespace

std::string Snippet(std::string_view raw) {
  std::string out;
  AppendPrintable(out, raw.substr(0, kSnippetBytes));
  if (raw.size() > kSnippetBytes) out += "...";
  return out;
}

std::string Describe(uint8_t byte) {
  if (byte >= 0x20 && byte < 0x7F) return std::string("`") + static_cast<char>(byte) + "`";
  constexpr char kHex[] = "0123456789abcdef";
  return std::string("byte 0x") + kHex[byte >> 4] + kHex[byte & 15];
}

std::string ShapeText(const std::vector<uint64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ',';
    out += std::to_string(shape[i]);
  }
  return out + "]";
}

bool IsJsonNumber(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  const auto digits = [&] {
    const char* const start = p;
    while (p < end && decimal::IsDigit(static_cast<uint8_t>(*p))) ++p;
    return p > start;
  };
  if (p < end && *p == '-') ++p;
  if (p < end && *p == '0') {
    ++p;
  } else if (!digits()) {
    return false;
  }
  if (p < end && *p == '.') {
    ++p;
    if (!digits()) return false;
  }
  if (p < end && (*p | 0x20) == 'e') {
    ++p;
    if (p < end && (*p == '+' || *p == '-')) ++p;
    if (!digits()) return false;
  }
  return p == end;
}

}  // namespace sluice
