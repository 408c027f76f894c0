// JsonRequestParser and parseTensorText for JavaScript. A parser lives in an opaque, type-tagged object; targets are passed
// to each call instead of being kept, so that no pointer into JavaScript memory outlives a call.
#include <memory>

#include "bindings.h"
#include "napi_support.h"
#include "request_parser.h"

namespace sluice {

namespace {

using napi::Args;

constexpr napi_type_tag kParserTag = {0x6f1d3a5c7b9e4f20, 0x8a2c4e6d1b3f5970};

// Envelopes grow with what clients send: V8 must know of them, or requests that are never finished pile up unseen.
struct ParserBox {
  RequestParser parser;
  int64_t reported_bytes = 0;

  void Report(napi_env env) {
    const auto bytes = static_cast<int64_t>(parser.memory_bytes());
    constexpr int64_t kStep = 16 * 1024;
    if (bytes - reported_bytes < kStep && reported_bytes - bytes < kStep) return;
    int64_t total;
    napi_adjust_external_memory(env, bytes - reported_bytes, &total);
    reported_bytes = bytes;
  }
};

void Finalize(napi_env env, void* data, void*) {
  std::unique_ptr<ParserBox> box(static_cast<ParserBox*>(data));
  int64_t total;
  if (box->reported_bytes != 0) napi_adjust_external_memory(env, -box->reported_bytes, &total);
}

ParserBox& Unwrap(const Args& args) {
  bool ours = false;
  void* data = nullptr;
  if (napi_check_object_type_tag(args.env(), args.raw(0), &kParserTag, &ours) != napi_ok || !ours ||
      napi_unwrap(args.env(), args.raw(0), &data) != napi_ok) {
    napi::ThrowType(args.env(), "not a request parser");
  }
  return *static_cast<ParserBox*>(data);
}

RequestParser& UnwrapAtTensor(const Args& args) {
  RequestParser& parser = Unwrap(args).parser;
  if (!parser.awaits_target()) napi::ThrowType(args.env(), "the parser does not stand at a tensor");
  return parser;
}

napi_value Create(const Args& args) {
  constexpr double kMaxCount = 0x7FFFFFFF;
  const ParserLimits limits{static_cast<uint32_t>(args.Unsigned(0, "maxDepth", kMaxCount)),
                            args.Unsigned(1, "maxEnvelopeBytes", napi::kMaxSafeInteger),
                            static_cast<uint32_t>(args.Unsigned(2, "maxTensors", kMaxCount))};
  auto box = std::make_unique<ParserBox>(ParserBox{RequestParser(limits)});
  napi_value object = napi::MakeObject(args.env());
  napi::Check(args.env(), napi_wrap(args.env(), object, box.get(), Finalize, nullptr, nullptr));
  box.release();
  napi::Check(args.env(), napi_type_tag_object(args.env(), object, &kParserTag));
  return object;
}

// (parser, chunk, from, out | null) → consumed × 4 + status
napi_value Feed(const Args& args) {
  ParserBox& box = Unwrap(args);
  RequestParser& parser = box.parser;
  const napi::Bytes chunk = args.Uint8Array(1, "chunk");
  const size_t from = args.Unsigned(2, "from", static_cast<double>(chunk.size));
  napi::Bytes out{nullptr, 0};
  if (parser.awaits_target()) napi::ThrowType(args.env(), "the parser waits for target() or capture()");
  if (parser.writes()) {
    out = args.Uint8Array(3, "target");
    // parser.written() too: a target of BYTES that was swapped for a smaller one
    if (out.size < parser.required_out_bytes() || out.size < parser.written()) {
      napi::ThrowRange(args.env(), "the target is smaller than the tensor");
    }
  }
  const ParserStatus status = parser.Feed(chunk.data, chunk.size, from, out.data, out.size);
  box.Report(args.env());
  return napi::MakeNumber(args.env(), static_cast<double>(parser.consumed() * 4 + static_cast<uint32_t>(status)));
}

napi_value Finish(const Args& args) {
  return napi::MakeNumber(args.env(), static_cast<double>(Unwrap(args).parser.Finish()));
}

// [position, message, input | -1]
napi_value MakeFault(napi_env env, const Fault& fault, int64_t input) {
  napi_value result;
  napi::Check(env, napi_create_array_with_length(env, 3, &result));
  napi::Check(env, napi_set_element(env, result, 0, napi::MakeNumber(env, static_cast<double>(fault.position))));
  napi::Check(env, napi_set_element(env, result, 1, napi::MakeString(env, fault.message)));
  napi::Check(env, napi_set_element(env, result, 2, napi::MakeNumber(env, static_cast<double>(input))));
  return result;
}

napi_value GetFault(const Args& args) {
  const RequestParser& parser = Unwrap(args).parser;
  if (!parser.dead()) napi::ThrowType(args.env(), "the parser has no fault");
  return MakeFault(args.env(), parser.fault(), parser.fault_input());
}

napi_value Element(const Args& args) { return napi::MakeString(args.env(), UnwrapAtTensor(args).Element()); }

// (parser, datatype, shape)
napi_value Target(const Args& args) {
  RequestParser& parser = UnwrapAtTensor(args);
  uint64_t count = 0;
  std::vector<uint64_t> shape = args.Shape(2, count);
  parser.Target(args.Datatype(1), std::move(shape), count);
  return nullptr;
}

napi_value Capture(const Args& args) {
  UnwrapAtTensor(args).Capture();
  return nullptr;
}

napi_value Written(const Args& args) {
  return napi::MakeNumber(args.env(), static_cast<double>(Unwrap(args).parser.written()));
}

// Hands the text over and frees it here: called once.
napi_value TakeEnvelope(const Args& args) {
  ParserBox& box = Unwrap(args);
  if (!box.parser.complete()) napi::ThrowType(args.env(), "the request is not complete");
  const std::string text = box.parser.TakeEnvelope();
  box.Report(args.env());
  return napi::MakeString(args.env(), text);
}

// (text, datatype, shape, out) → [written, fault | null]
napi_value ParseTensorText(const Args& args) {
  napi_env env = args.env();
  const napi::Bytes text = args.Uint8Array(0, "text");
  const Datatype datatype = args.Datatype(1);
  uint64_t count = 0;
  std::vector<uint64_t> shape = args.Shape(2, count);
  const napi::Bytes out = args.Uint8Array(3, "out");
  TensorReader reader;
  reader.Begin(datatype, std::move(shape), count, 0, UINT32_MAX);
  if (out.size < reader.fixed_bytes()) napi::ThrowRange(env, "out is smaller than the tensor");

  Input in{text.data, text.data, text.data + text.size, 0};
  TensorReader::Status status = reader.Read(in, out.data, out.size);
  if (status == TensorReader::Status::kMore) status = reader.End(out.data);
  Fault fault = reader.fault();
  bool wrong = status != TensorReader::Status::kDone;
  if (status == TensorReader::Status::kGrow) napi::ThrowRange(env, "out is smaller than the tensor");
  if (status == TensorReader::Status::kMore) fault = {text.size, "the data ends before it is complete"};
  if (!wrong) {
    SkipSpace(in);
    wrong = in.p < in.end;
    if (wrong) fault = {in.Position(), Describe(*in.p) + " stands after the end of the data"};
  }
  napi_value result;
  napi::Check(env, napi_create_array_with_length(env, 2, &result));
  napi::Check(env, napi_set_element(env, result, 0, napi::MakeNumber(env, static_cast<double>(reader.written()))));
  napi::Check(env, napi_set_element(env, result, 1, wrong ? MakeFault(env, fault, -1) : napi::MakeNull(env)));
  return result;
}

}  // namespace

void ExportParser(napi_env env, napi_value exports) {
  napi::Export<Create>(env, exports, "parserCreate");
  napi::Export<Feed>(env, exports, "parserFeed");
  napi::Export<Finish>(env, exports, "parserFinish");
  napi::Export<GetFault>(env, exports, "parserFault");
  napi::Export<Element>(env, exports, "parserElement");
  napi::Export<Target>(env, exports, "parserTarget");
  napi::Export<Capture>(env, exports, "parserCapture");
  napi::Export<Written>(env, exports, "parserWritten");
  napi::Export<TakeEnvelope>(env, exports, "parserTakeEnvelope");
  napi::Export<ParseTensorText>(env, exports, "parseTensorText");
}

}  // namespace sluice
