// (data, datatype, out, at) → the position after the array, or a negative constant of tensor_printer.h.
#include "bindings.h"
#include "napi_support.h"
#include "tensor_printer.h"

namespace sluice {

namespace {

napi_value Print(const napi::Args& args) {
  const napi::Bytes data = args.Uint8Array(0, "data");
  const napi::Bytes out = args.Uint8Array(2, "out");
  const size_t at = args.Unsigned(3, "at", static_cast<double>(out.size));
  const int64_t position = PrintTensor(data.data, data.size, args.Datatype(1), out.data, out.size, at);
  if (position == kMalformed) napi::ThrowRange(args.env(), "data is not a whole number of elements");
  return napi::MakeNumber(args.env(), static_cast<double>(position));
}

}  // namespace

void ExportPrinter(napi_env env, napi_value exports) { napi::Export<Print>(env, exports, "print"); }

}  // namespace sluice
