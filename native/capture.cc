#include "capture.h"

#include <utility>

namespace sluice {

void CaptureReader::Begin(uint32_t outer_depth, uint32_t max_depth) {
  depth_ = 0;
  outer_depth_ = outer_depth;
  max_depth_ = max_depth;
  started_ = false;
  in_string_ = false;
  escaped_ = false;
  written_ = 0;
}

CaptureReader::Status CaptureReader::Fail(uint64_t position, std::string message) {
  fault_ = {position, std::move(message)};
  return Status::kFault;
}

CaptureReader::Status CaptureReader::Read(Input& in, uint8_t* out, size_t out_bytes) {
  while (in.p < in.end) {
    const uint8_t c = *in.p;
    if (!in_string_) {
      if (depth_ == 0 && started_ && IsDelimiter(c)) return Status::kDone;  // the end of a single number or word
      if (c == '{' || (c == '}' && depth_ > 0)) return Fail(in.Position(), "an object is not tensor data");
      if (depth_ == 0 && (c == ',' || c == ']' || c == '}' || c == ':')) {
        return Fail(in.Position(), Describe(c) + " stands where a value is expected");
      }
      if (c == '[' && outer_depth_ + depth_ + 1 >= max_depth_) {
        return Fail(in.Position(), "nesting reaches the limit of " + std::to_string(max_depth_));
      }
    }
    if (written_ == out_bytes) return Status::kGrow;
    out[written_++] = c;
    ++in.p;
    if (in_string_) {
      in_string_ = c != '"' || escaped_;
      escaped_ = c == '\\' && !escaped_;
      if (!in_string_ && depth_ == 0) return Status::kDone;
      continue;
    }
    started_ = started_ || !IsSpace(c);
    if (c == '"') {
      in_string_ = true;
      escaped_ = false;
    } else if (c == '[') {
      ++depth_;
    } else if (c == ']' && --depth_ == 0) {
      return Status::kDone;
    }
  }
  return Status::kMore;
}

}  // namespace sluice
