// Incremental parser of an infer request (JsonRequestParser in src/native/contract.ts): tensor data goes to its place
// while the body arrives, the rest is kept as text that JSON.parse takes.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "capture.h"
#include "string_scanner.h"
#include "tensor_reader.h"
#include "text.h"

namespace sluice {

// In the order of JsonParserStatus.
enum class ParserStatus : uint32_t { kMore, kTensor, kGrow, kFault };

struct ParserLimits {
  uint32_t max_depth;
  uint64_t max_envelope_bytes;
  uint32_t max_tensors;
};

class RequestParser {
 public:
  explicit RequestParser(const ParserLimits& limits) : limits_(limits) {}

  // Feeds [data, data + size), or what is left of it from `from`. `out`: the current target or capture.
  ParserStatus Feed(const uint8_t* data, size_t size, size_t from, uint8_t* out, size_t out_bytes);
  ParserStatus Finish();

  // At kTensor only.
  std::string Element() const;
  void Target(Datatype datatype, std::vector<uint64_t> shape, uint64_t count);
  void Capture();

  bool awaits_target() const { return state_ == State::kAwaitTarget; }
  // Bytes that Feed needs behind `out`; anything will do for BYTES, captures, and outside of data.
  uint64_t required_out_bytes() const;
  bool writes() const { return state_ == State::kData || state_ == State::kCapture; }

  size_t consumed() const { return consumed_; }
  size_t written() const { return captured_ ? capture_.written() : reader_.written(); }
  const Fault& fault() const { return fault_; }
  int64_t fault_input() const { return fault_input_; }
  bool complete() const { return state_ == State::kEnd; }
  bool dead() const { return state_ == State::kDead; }
  std::string TakeEnvelope() { return std::move(text_); }
  size_t memory_bytes() const { return sizeof(*this) + text_.capacity(); }

 private:
  enum class State : uint8_t {
    kRoot, kValue, kValueOrClose, kKey, kKeyOrClose, kKeyString, kColon, kString, kToken, kAfterValue,
    kAwaitTarget, kData, kCapture, kEnd, kDead,
  };
  enum class Container : uint8_t { kArray, kObject, kRootObject, kInputs, kElement };
  enum class Step : uint8_t { kGoOn, kMore, kTensor, kGrow, kFault };

  static bool IsObject(Container container) { return container != Container::kArray && container != Container::kInputs; }
  // Keys are read and compared where a repeated one is refused.
  std::set<std::string>* Keys();

  Step Run(Input& in, uint8_t* out, size_t out_bytes);
  Step RunData(Input& in, uint8_t* out, size_t out_bytes);
  Step RunStructure(Input& in, uint8_t byte);
  Step BeginValue(Input& in, uint8_t byte);
  Step Open(Input& in, Container container);
  Step Close(Input& in);
  Step EndKey(Input& in);
  Step EndToken();
  void EndValue(const Input& in);
  Step Fail(const Input& in, Fault fault);
  Step Unexpected(const Input& in, uint8_t byte, const char* wanted);
  // Moves what was read of the envelope to text_; false when that is more than allowed (fault_ is set).
  bool Flush(const Input& in);
  size_t TextSize(const Input& in) const { return text_.size() + static_cast<size_t>(in.p - mark_); }
  int64_t CurrentInput() const;

  const ParserLimits limits_;
  State state_ = State::kRoot;
  bool captured_ = false;
  std::vector<Container> stack_;
  std::set<std::string> root_keys_;
  std::set<std::string> element_keys_;
  std::string key_;
  uint64_t key_start_ = 0;
  Token token_;
  StringScanner scanner_;
  TensorReader reader_;
  CaptureReader capture_;

  std::string text_;
  uint64_t envelope_bytes_ = 0;     // of text_, what came from the body
  const uint8_t* mark_ = nullptr;   // where the unflushed part of the envelope begins in this chunk
  size_t element_start_ = 0;        // in text_, of the element being read
  size_t member_end_ = 0;           // in text_, after the element's last complete member
  int64_t input_ = -1;              // index of the last element begun
  uint64_t read_ = 0;               // bytes of the body so far
  size_t consumed_ = 0;
  Fault fault_;
  int64_t fault_input_ = -1;
};

}  // namespace sluice
