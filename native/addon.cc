// Entry of the addon. It keeps no state outside the objects that it hands to JavaScript, so that any number of
// environments (worker threads) may load it and go away in any order.
#include "bindings.h"
#include "napi_support.h"

namespace {

napi_value Init(napi_env env, napi_value exports) {
  try {
    sluice::ExportParser(env, exports);
    sluice::ExportPrinter(env, exports);
    sluice::ExportSharedMemory(env, exports);
    sluice::ExportNvml(env, exports);
  } catch (const sluice::napi::Pending&) {
    return nullptr;
  }
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
