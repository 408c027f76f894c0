// What each part adds to the module's exports. Names and arguments are those of RawAddon in src/native/addon.ts.
#pragma once

#include <node_api.h>

namespace sluice {

void ExportParser(napi_env env, napi_value exports);
void ExportPrinter(napi_env env, napi_value exports);
void ExportSharedMemory(napi_env env, napi_value exports);
void ExportNvml(napi_env env, napi_value exports);

}  // namespace sluice
