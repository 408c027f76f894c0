#include "tensor_reader.h"

#include <algorithm>
#include <utility>

#include "number_run.h"
#include "values.h"

namespace sluice {

namespace {

constexpr size_t kLengthBytes = 4;
// Longest quoted number worth keeping for a message; the three that are allowed are shorter.
constexpr size_t kMaxQuotedBytes = 64;

}  // namespace

void TensorReader::Begin(Datatype datatype, std::vector<uint64_t> shape, uint64_t count, uint32_t outer_depth,
                         uint32_t max_depth) {
  datatype_ = datatype;
  shape_ = std::move(shape);
  count_ = count;
  outer_depth_ = outer_depth;
  max_depth_ = max_depth;
  state_ = State::kValue;
  nested_ = false;
  may_close_ = false;
  open_.clear();
  written_ = 0;
}

// Entries that the open leaf array still takes.
uint64_t TensorReader::LeafRoom() const {
  if (open_.empty()) return 1;
  return (nested_ ? shape_.back() : count_) - open_.back();
}

TensorReader::Status TensorReader::Fail(uint64_t position, std::string message) {
  fault_ = {position, std::move(message)};
  return Status::kFault;
}

TensorReader::Status TensorReader::Open(Input& in) {
  const size_t level = open_.size();
  if (level == 1 && may_close_ && shape_.size() > 1) nested_ = true;
  if (level > 0) {
    if (!nested_ || level >= shape_.size()) {
      return Fail(in.Position(), "`[` is not allowed here: data is a flat array, or nested exactly as shape " + ShapeText(shape_));
    }
    if (open_.back() == shape_[level - 1]) {
      return Fail(in.Position(), "more than " + std::to_string(shape_[level - 1]) + " entries in dimension " +
                                     std::to_string(level - 1) + " of shape " + ShapeText(shape_));
    }
    ++open_.back();
  }
  if (outer_depth_ + level + 1 >= max_depth_) {
    return Fail(in.Position(), "nesting reaches the limit of " + std::to_string(max_depth_));
  }
  open_.push_back(0);
  may_close_ = true;
  ++in.p;
  return Status::kMore;
}

TensorReader::Status TensorReader::Close(Input& in) {
  const size_t level = open_.size();
  const uint64_t entries = open_.back();
  if (nested_ && entries != shape_[level - 1]) {
    return Fail(in.Position(), std::to_string(entries) + " entries where dimension " + std::to_string(level - 1) + " of shape " +
                                   ShapeText(shape_) + " needs " + std::to_string(shape_[level - 1]));
  }
  if (!nested_ && entries != count_) {
    return Fail(in.Position(), std::to_string(entries) + " values where shape " + ShapeText(shape_) + " needs " +
                                   std::to_string(count_));
  }
  open_.pop_back();
  ++in.p;
  state_ = open_.empty() ? State::kDone : State::kAfterValue;
  return Status::kMore;
}

void TensorReader::EndValue() {
  if (open_.empty()) {
    state_ = State::kDone;
    return;
  }
  ++open_.back();
  may_close_ = false;
  state_ = State::kAfterValue;
}

// A value's first byte stands at in.p; the structure around it is checked here, so that a wrong place is told before a wrong value.
TensorReader::Status TensorReader::BeginValue(Input& in, size_t out_bytes) {
  if (open_.empty() && !shape_.empty()) return Fail(in.Position(), "data must be an array");
  if (!AtLeaf()) {
    return Fail(in.Position(),
                "a value is not allowed here: data is a flat array, or nested exactly as shape " + ShapeText(shape_));
  }
  if (LeafRoom() == 0) {
    if (nested_) {
      return Fail(in.Position(), "more than " + std::to_string(shape_.back()) + " entries in dimension " +
                                     std::to_string(shape_.size() - 1) + " of shape " + ShapeText(shape_));
    }
    return Fail(in.Position(), "more than " + std::to_string(count_) + " values for shape " + ShapeText(shape_));
  }
  token_.Begin(in.Position());
  if (*in.p != '"') {
    state_ = State::kToken;
    return Status::kMore;
  }
  if (datatype_ != Datatype::kBytes) {
    token_.text = '"';
    escaped_ = false;
    state_ = State::kQuotedNumber;
  } else {
    if (out_bytes - written_ < kLengthBytes) return Status::kGrow;
    length_at_ = written_;
    written_ += kLengthBytes;
    scanner_.Begin();
    state_ = State::kString;
  }
  ++in.p;
  return Status::kMore;
}

TensorReader::Status TensorReader::EndToken(uint8_t* out) {
  std::string wrong = StoreValue(datatype_, token_.text, out + written_);
  if (!wrong.empty()) return Fail(token_.start, std::move(wrong));
  written_ += ElementBytes(datatype_);
  EndValue();
  return Status::kMore;
}

TensorReader::Status TensorReader::ReadQuotedNumber(Input& in, uint8_t* out) {
  while (in.p < in.end) {
    const uint8_t c = *in.p++;
    token_.text += static_cast<char>(c);
    const bool closed = c == '"' && !escaped_;
    escaped_ = c == '\\' && !escaped_;
    if (closed || token_.text.size() == kMaxQuotedBytes) return EndToken(out);
  }
  return Status::kMore;
}

TensorReader::Status TensorReader::ReadString(Input& in, uint8_t* out, size_t out_bytes) {
  struct Sink {
    uint8_t* out;
    size_t& written;
    size_t capacity;
    size_t Run(const uint8_t* bytes, size_t length) {
      const size_t taken = std::min(length, capacity - written);
      std::memcpy(out + written, bytes, taken);
      written += taken;
      return taken;
    }
    bool Code(uint32_t code) {
      uint8_t bytes[4];
      const size_t length = EncodeUtf8(code, bytes);
      if (capacity - written < length) return false;
      Run(bytes, length);
      return true;
    }
  } sink{out, written_, out_bytes};
  switch (scanner_.Scan(in, sink)) {
    case StringScanner::Status::kMore: return Status::kMore;
    case StringScanner::Status::kFull: return Status::kGrow;
    case StringScanner::Status::kFault:
      fault_ = scanner_.fault();
      return Status::kFault;
    case StringScanner::Status::kEnd: break;
  }
  const size_t length = written_ - length_at_ - kLengthBytes;
  if (length > UINT32_MAX) return Fail(token_.start, "a string of more than 4294967295 bytes");
  const auto prefix = static_cast<uint32_t>(length);
  std::memcpy(out + length_at_, &prefix, kLengthBytes);
  EndValue();
  return Status::kMore;
}

void TensorReader::ReadFast(Input& in, uint8_t* out) {
  const NumberRun run = ReadNumbers(datatype_, in, LeafRoom(), out + written_);
  if (run.entries == 0) return;
  written_ += run.entries * ElementBytes(datatype_);
  open_.back() += run.entries;
  may_close_ = false;
  if (run.ended) state_ = State::kAfterValue;
}

TensorReader::Status TensorReader::Read(Input& in, uint8_t* out, size_t out_bytes) {
  while (state_ != State::kDone) {
    if (state_ == State::kValue && !open_.empty() && AtLeaf()) {
      // after `[` the first byte decides between flat and nested; an unsettled array is left to the states below
      if (!may_close_ || nested_ || shape_.size() <= 1) ReadFast(in, out);
    }
    if (state_ == State::kValue || state_ == State::kAfterValue) SkipSpace(in);
    if (in.p == in.end) return Status::kMore;
    Status status = Status::kMore;
    const uint8_t c = *in.p;
    switch (state_) {
      case State::kValue:
        if (c == '[') {
          status = Open(in);
        } else if (c == ']' && may_close_) {
          status = Close(in);
        } else if (c == '{') {
          return Fail(in.Position(), "an object is not tensor data");
        } else if (c == ',' || c == ']' || c == '}' || c == ':') {
          return Fail(in.Position(), Describe(c) + " stands where a value is expected");
        } else {
          status = BeginValue(in, out_bytes);
        }
        break;
      case State::kAfterValue:
        if (c == ',') {
          ++in.p;
          may_close_ = false;
          state_ = State::kValue;
        } else if (c == ']') {
          status = Close(in);
        } else {
          return Fail(in.Position(), Describe(c) + " stands where `,` or `]` is expected");
        }
        break;
      case State::kToken: {
        const Token::Status token = token_.Read(in);
        if (token == Token::Status::kMore) return Status::kMore;
        if (token == Token::Status::kTooLong) {
          fault_ = token_.TooLong();
          return Status::kFault;
        }
        status = EndToken(out);
        break;
      }
      case State::kQuotedNumber: status = ReadQuotedNumber(in, out); break;
      case State::kString: status = ReadString(in, out, out_bytes); break;
      case State::kDone: break;
    }
    if (status != Status::kMore) return status;
  }
  return Status::kDone;
}

TensorReader::Status TensorReader::End(uint8_t* out) {
  if (state_ == State::kToken && EndToken(out) == Status::kFault) return Status::kFault;
  return state_ == State::kDone ? Status::kDone : Status::kMore;
}

}  // namespace sluice
