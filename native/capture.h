// Keeps the raw text of a `data` value whose datatype is not known yet. It only finds where the value ends; the text is
// checked when it is parsed.
#pragma once

#include "text.h"

namespace sluice {

class CaptureReader {
 public:
  enum class Status { kMore, kDone, kGrow, kFault };

  void Begin(uint32_t outer_depth, uint32_t max_depth);
  Status Read(Input& in, uint8_t* out, size_t out_bytes);
  size_t written() const { return written_; }
  const Fault& fault() const { return fault_; }

 private:
  Status Fail(uint64_t position, std::string message);

  uint32_t depth_ = 0;
  uint32_t outer_depth_ = 0;
  uint32_t max_depth_ = 0;
  bool started_ = false;
  bool in_string_ = false;
  bool escaped_ = false;
  size_t written_ = 0;
  Fault fault_;
};

}  // namespace sluice
