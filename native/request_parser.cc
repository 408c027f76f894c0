#include "request_parser.h"

#include <utility>

namespace sluice {

namespace {

// Arrays and objects around an input's data: the request, `inputs`, the input.
constexpr uint32_t kDataDepth = 3;

}  // namespace

int64_t RequestParser::CurrentInput() const {
  const bool inside = stack_.size() >= kDataDepth && stack_[kDataDepth - 1] == Container::kElement;
  return inside ? input_ : -1;
}

std::set<std::string>* RequestParser::Keys() {
  if (stack_.back() == Container::kRootObject) return &root_keys_;
  if (stack_.back() == Container::kElement) return &element_keys_;
  return nullptr;
}

bool RequestParser::Flush(const Input& in) {
  const auto length = static_cast<uint64_t>(in.p - mark_);
  const uint64_t room = limits_.max_envelope_bytes - envelope_bytes_;
  if (length > room) {
    fault_ = {in.base + static_cast<uint64_t>(mark_ - in.begin) + room,
              "the request without its tensor data is larger than " + std::to_string(limits_.max_envelope_bytes) + " bytes"};
    fault_input_ = -1;  // the request as a whole: which input it was in depends on the split
    state_ = State::kDead;
    return false;
  }
  text_.append(reinterpret_cast<const char*>(mark_), length);
  envelope_bytes_ += length;
  mark_ = in.p;
  return true;
}

// A body that is too large says so, whichever way it was split: what was read before the mistake counts first.
RequestParser::Step RequestParser::Fail(const Input& in, Fault fault) {
  if (writes() || Flush(in)) {
    fault_ = std::move(fault);
    fault_input_ = CurrentInput();
    state_ = State::kDead;
  }
  return Step::kFault;
}

RequestParser::Step RequestParser::Unexpected(const Input& in, uint8_t byte, const char* wanted) {
  return Fail(in, {in.Position(), Describe(byte) + " stands where " + wanted + " is expected"});
}

ParserStatus RequestParser::Feed(const uint8_t* data, size_t size, size_t from, uint8_t* out, size_t out_bytes) {
  if (state_ == State::kDead) return ParserStatus::kFault;
  Input in{data, data + from, data + size, read_ - from};  // wraps below zero, and back when a position is made of it
  mark_ = in.p;
  Step step = Step::kGoOn;
  while (step == Step::kGoOn) step = Run(in, out, out_bytes);
  if (step == Step::kMore && !writes() && !Flush(in)) step = Step::kFault;
  mark_ = nullptr;
  consumed_ = static_cast<size_t>(in.p - data);
  read_ += consumed_ - from;
  switch (step) {
    case Step::kTensor: return ParserStatus::kTensor;
    case Step::kGrow: return ParserStatus::kGrow;
    case Step::kFault: text_ = std::string(); return ParserStatus::kFault;
    default: return ParserStatus::kMore;
  }
}

ParserStatus RequestParser::Finish() {
  if (state_ == State::kEnd) return ParserStatus::kMore;
  if (state_ != State::kDead) {
    fault_ = {read_, "the body ends before the request is complete"};
    fault_input_ = CurrentInput();
    state_ = State::kDead;
    text_ = std::string();
  }
  return ParserStatus::kFault;
}

std::string RequestParser::Element() const {
  return text_.substr(element_start_, member_end_ - element_start_) + "}";
}

void RequestParser::Target(Datatype datatype, std::vector<uint64_t> shape, uint64_t count) {
  reader_.Begin(datatype, std::move(shape), count, kDataDepth, limits_.max_depth);
  captured_ = false;
  state_ = State::kData;
}

void RequestParser::Capture() {
  capture_.Begin(kDataDepth, limits_.max_depth);
  captured_ = true;
  state_ = State::kCapture;
}

uint64_t RequestParser::required_out_bytes() const {
  return state_ == State::kData && !reader_.is_bytes() ? reader_.fixed_bytes() : 0;
}

RequestParser::Step RequestParser::RunData(Input& in, uint8_t* out, size_t out_bytes) {
  if (state_ == State::kData) {
    switch (reader_.Read(in, out, out_bytes)) {
      case TensorReader::Status::kMore: return Step::kMore;
      case TensorReader::Status::kGrow: return Step::kGrow;
      case TensorReader::Status::kFault: return Fail(in, reader_.fault());
      case TensorReader::Status::kDone: break;
    }
  } else {
    switch (capture_.Read(in, out, out_bytes)) {
      case CaptureReader::Status::kMore: return Step::kMore;
      case CaptureReader::Status::kGrow: return Step::kGrow;
      case CaptureReader::Status::kFault: return Fail(in, capture_.fault());
      case CaptureReader::Status::kDone: break;
    }
  }
  text_ += std::to_string(input_);
  mark_ = in.p;
  EndValue(in);
  return Step::kGoOn;
}

RequestParser::Step RequestParser::Run(Input& in, uint8_t* out, size_t out_bytes) {
  switch (state_) {
    case State::kData:
    case State::kCapture: return RunData(in, out, out_bytes);
    case State::kAwaitTarget: return Step::kTensor;
    case State::kString:
    case State::kKeyString: {
      NullSink nothing;
      StringSink to_key{key_};
      const bool keep = state_ == State::kKeyString && Keys() != nullptr;
      switch (keep ? scanner_.Scan(in, to_key) : scanner_.Scan(in, nothing)) {
        case StringScanner::Status::kEnd: break;
        case StringScanner::Status::kFault: return Fail(in, scanner_.fault());
        default: return Step::kMore;
      }
      if (state_ == State::kKeyString) return EndKey(in);
      EndValue(in);
      return Step::kGoOn;
    }
    case State::kToken:
      switch (token_.Read(in)) {
        case Token::Status::kMore: return Step::kMore;
        case Token::Status::kTooLong: return Fail(in, token_.TooLong());
        case Token::Status::kEnd: break;
      }
      if (token_.text != "true" && token_.text != "false" && token_.text != "null" && !IsJsonNumber(token_.text)) {
        return Fail(in, {token_.start, Snippet(token_.text) + " is not a JSON value"});
      }
      EndValue(in);
      return Step::kGoOn;
    default: break;
  }
  SkipSpace(in);
  if (in.p == in.end) return Step::kMore;
  return RunStructure(in, *in.p);
}

RequestParser::Step RequestParser::RunStructure(Input& in, uint8_t byte) {
  switch (state_) {
    case State::kRoot:
      if (byte != '{') return Fail(in, {in.Position(), "the body must be a JSON object"});
      return Open(in, Container::kRootObject);
    case State::kValueOrClose:
      if (byte == ']') return Close(in);
      return BeginValue(in, byte);
    case State::kValue: return BeginValue(in, byte);
    case State::kKeyOrClose:
    case State::kKey:
      if (byte == '}' && state_ == State::kKeyOrClose) return Close(in);
      if (byte != '"') return Unexpected(in, byte, state_ == State::kKey ? "a key" : "a key or `}`");
      key_start_ = in.Position();
      key_.clear();
      scanner_.Begin();
      state_ = State::kKeyString;
      ++in.p;
      return Step::kGoOn;
    case State::kColon:
      if (byte != ':') return Unexpected(in, byte, "`:`");
      ++in.p;
      if (stack_.back() == Container::kElement && key_ == "data") {
        if (!Flush(in)) return Step::kFault;
        state_ = State::kAwaitTarget;
        return Step::kTensor;
      }
      state_ = State::kValue;
      return Step::kGoOn;
    case State::kAfterValue: {
      const bool object = IsObject(stack_.back());
      if (byte == (object ? '}' : ']')) return Close(in);
      if (byte != ',') return Unexpected(in, byte, object ? "`,` or `}`" : "`,` or `]`");
      ++in.p;
      state_ = object ? State::kKey : State::kValue;
      return Step::kGoOn;
    }
    default: return Fail(in, {in.Position(), Describe(byte) + " stands after the end of the request"});
  }
}

RequestParser::Step RequestParser::BeginValue(Input& in, uint8_t byte) {
  if (byte == ',' || byte == ']' || byte == '}' || byte == ':') return Unexpected(in, byte, "a value");
  const Container around = stack_.back();
  if (around == Container::kInputs) {
    if (input_ + 1 == static_cast<int64_t>(limits_.max_tensors)) {
      return Fail(in, {in.Position(), "more than " + std::to_string(limits_.max_tensors) + " inputs"});
    }
    ++input_;
  }
  if (byte == '{') return Open(in, around == Container::kInputs ? Container::kElement : Container::kObject);
  if (byte == '[') return Open(in, around == Container::kRootObject && key_ == "inputs" ? Container::kInputs : Container::kArray);
  if (byte == '"') {
    scanner_.Begin();
    state_ = State::kString;
    ++in.p;
  } else {
    token_.Begin(in.Position());
    state_ = State::kToken;
  }
  return Step::kGoOn;
}

RequestParser::Step RequestParser::Open(Input& in, Container container) {
  if (stack_.size() + 1 >= limits_.max_depth) {
    return Fail(in, {in.Position(), "nesting reaches the limit of " + std::to_string(limits_.max_depth)});
  }
  if (container == Container::kElement) {
    element_keys_.clear();
    element_start_ = TextSize(in);
    member_end_ = element_start_ + 1;
  }
  stack_.push_back(container);
  state_ = IsObject(container) ? State::kKeyOrClose : State::kValueOrClose;
  ++in.p;
  return Step::kGoOn;
}

RequestParser::Step RequestParser::Close(Input& in) {
  stack_.pop_back();
  ++in.p;
  EndValue(in);
  return Step::kGoOn;
}

RequestParser::Step RequestParser::EndKey(Input& in) {
  std::set<std::string>* const keys = Keys();
  if (keys != nullptr && !keys->insert(key_).second) {
    return Fail(in, {key_start_, "\"" + Snippet(key_) + "\" appears twice in one object"});
  }
  state_ = State::kColon;
  return Step::kGoOn;
}

void RequestParser::EndValue(const Input& in) {
  if (stack_.empty()) {
    state_ = State::kEnd;
    return;
  }
  if (stack_.back() == Container::kElement) member_end_ = TextSize(in);
  state_ = State::kAfterValue;
}

}  // namespace sluice
