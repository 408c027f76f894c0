// One tensor's `data`, from JSON text in any split to little-endian bytes: flat, or nested exactly as its shape.
#pragma once

#include <string>
#include <vector>

#include "datatype.h"
#include "string_scanner.h"
#include "text.h"

namespace sluice {

class TensorReader {
 public:
  // kGrow: `out` is full (BYTES only); what needs room is not consumed.
  enum class Status { kMore, kDone, kGrow, kFault };

  // `outer_depth`: arrays and objects already open around the data. Depth `max_depth` is refused.
  void Begin(Datatype datatype, std::vector<uint64_t> shape, uint64_t count, uint32_t outer_depth, uint32_t max_depth);

  // `out` must hold count × element bytes; BYTES: as many as there are, kGrow asks for more.
  Status Read(Input& in, uint8_t* out, size_t out_bytes);

  // The text has ended: completes a single number or word. kMore: something is missing.
  Status End(uint8_t* out);

  size_t written() const { return written_; }
  bool is_bytes() const { return datatype_ == Datatype::kBytes; }
  uint64_t fixed_bytes() const { return count_ * ElementBytes(datatype_); }
  const Fault& fault() const { return fault_; }

 private:
  enum class State : uint8_t { kValue, kAfterValue, kToken, kQuotedNumber, kString, kDone };

  bool AtLeaf() const { return open_.size() == (nested_ ? shape_.size() : shape_.empty() ? open_.size() : size_t{1}); }
  uint64_t LeafRoom() const;
  Status Fail(uint64_t position, std::string message);
  Status Open(Input& in);
  Status Close(Input& in);
  Status BeginValue(Input& in, size_t out_bytes);
  Status EndToken(uint8_t* out);
  Status ReadQuotedNumber(Input& in, uint8_t* out);
  Status ReadString(Input& in, uint8_t* out, size_t out_bytes);
  void EndValue();
  void ReadFast(Input& in, uint8_t* out);

  Datatype datatype_ = Datatype::kFp32;
  State state_ = State::kDone;
  bool nested_ = false;
  bool may_close_ = false;  // right after `[`
  bool escaped_ = false;    // in a quoted number, after a backslash
  std::vector<uint64_t> shape_;
  std::vector<uint64_t> open_;  // entries so far of each open array
  uint64_t count_ = 0;
  uint32_t outer_depth_ = 0;
  uint32_t max_depth_ = 0;
  size_t written_ = 0;
  size_t length_at_ = 0;  // where the length of the BYTES element being read stands
  Token token_;
  StringScanner scanner_;
  Fault fault_;
};

}  // namespace sluice
