// NVIDIA GPUs as the driver's management library (NVML) tells, loaded by name at each call: a machine without a driver
// only gets a sentence that says so. Declarations follow nvml.h of the CUDA toolkit, which is not needed to build.
#include <dlfcn.h>

#include <string>

#include "bindings.h"
#include "napi_support.h"

namespace sluice {

namespace {

using napi::Args;

using Device = struct OpaqueDevice*;
constexpr int kSuccess = 0;
constexpr unsigned kNameBytes = 96;     // NVML_DEVICE_NAME_V2_BUFFER_SIZE
constexpr unsigned kUuidBytes = 96;     // NVML_DEVICE_UUID_V2_BUFFER_SIZE
constexpr unsigned kVersionBytes = 80;  // NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE

struct Memory {
  unsigned long long total, free, used;
};
struct Utilization {
  unsigned gpu, memory;
};

// Fields that a device does not have come back as about 9.22e18 on some drivers; no GPU has an exbibyte.
constexpr unsigned long long kSaneBytes = 1ULL << 60;

class Library {
 public:
  explicit Library(const char* path) : handle_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) error_ = dlerror();
  }
  ~Library() {
    if (initialized_) shutdown_();
    if (handle_ != nullptr) dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  // False, with error() set, when the library is missing, incomplete, or finds no driver.
  bool Start() {
    if (handle_ == nullptr) return false;
    const bool complete = Find(init_, "nvmlInit_v2") && Find(shutdown_, "nvmlShutdown") && Find(count_, "nvmlDeviceGetCount_v2") &&
                          Find(handle_by_index_, "nvmlDeviceGetHandleByIndex_v2");
    if (!complete) return false;
    Find(error_string_, "nvmlErrorString");
    Find(name_, "nvmlDeviceGetName");
    Find(uuid_, "nvmlDeviceGetUUID");
    Find(memory_, "nvmlDeviceGetMemoryInfo");
    Find(utilization_, "nvmlDeviceGetUtilizationRates");
    Find(driver_version_, "nvmlSystemGetDriverVersion");
    error_.clear();
    return initialized_ = Succeeds(init_(), "nvmlInit");
  }

  const std::string& error() const { return error_; }

  bool Count(unsigned& count) { return Succeeds(count_(&count), "nvmlDeviceGetCount"); }
  bool Get(unsigned index, Device& device) { return Succeeds(handle_by_index_(index, &device), "nvmlDeviceGetHandleByIndex"); }

  std::string DriverVersion() const {
    char text[kVersionBytes] = "";
    return driver_version_ != nullptr && driver_version_(text, sizeof(text)) == kSuccess ? text : "unknown";
  }
  std::string Name(Device device) const {
    char text[kNameBytes] = "";
    return name_ != nullptr && name_(device, text, sizeof(text)) == kSuccess ? text : "unknown";
  }
  std::string Uuid(Device device) const {
    char text[kUuidBytes] = "";
    return uuid_ != nullptr && uuid_(device, text, sizeof(text)) == kSuccess ? text : "";
  }
  Memory MemoryInfo(Device device) const {
    Memory memory = {};
    if (memory_ == nullptr || memory_(device, &memory) != kSuccess || memory.total > kSaneBytes) return {};
    if (memory.used > kSaneBytes) memory.used = 0;
    return memory;
  }
  bool GpuPercent(Device device, unsigned& percent) const {
    Utilization utilization = {};
    if (utilization_ == nullptr || utilization_(device, &utilization) != kSuccess) return false;
    percent = utilization.gpu;
    return percent <= 100;
  }

 private:
  template <class F>
  bool Find(F& function, const char* name) {
    function = reinterpret_cast<F>(dlsym(handle_, name));
    if (function == nullptr) error_ = std::string("the library has no ") + name;
    return function != nullptr;
  }

  bool Succeeds(int status, const char* call) {
    if (status == kSuccess) return true;
    const char* const text = error_string_ != nullptr ? error_string_(status) : nullptr;
    error_ = std::string(call) + ": " + (text != nullptr ? text : "error " + std::to_string(status));
    return false;
  }

  void* handle_;
  bool initialized_ = false;
  std::string error_;
  int (*init_)() = nullptr;
  int (*shutdown_)() = nullptr;
  int (*count_)(unsigned*) = nullptr;
  int (*handle_by_index_)(unsigned, Device*) = nullptr;
  const char* (*error_string_)(int) = nullptr;
  int (*name_)(Device, char*, unsigned) = nullptr;
  int (*uuid_)(Device, char*, unsigned) = nullptr;
  int (*memory_)(Device, Memory*) = nullptr;
  int (*utilization_)(Device, Utilization*) = nullptr;
  int (*driver_version_)(char*, unsigned) = nullptr;
};

napi_value NotFound(napi_env env, const std::string& reason) {
  napi_value report = napi::MakeObject(env);
  napi::Set(env, report, "found", napi::MakeBool(env, false));
  napi::Set(env, report, "reason", napi::MakeString(env, reason));
  return report;
}

napi_value Describe(napi_env env, const Library& library, unsigned index, Device device) {
  const Memory memory = library.MemoryInfo(device);
  unsigned percent = 0;
  const bool known = library.GpuPercent(device, percent);
  napi_value result = napi::MakeObject(env);
  napi::Set(env, result, "index", napi::MakeNumber(env, index));
  napi::Set(env, result, "name", napi::MakeString(env, library.Name(device)));
  napi::Set(env, result, "uuid", napi::MakeString(env, library.Uuid(device)));
  napi::Set(env, result, "memoryTotalBytes", napi::MakeNumber(env, static_cast<double>(memory.total)));
  napi::Set(env, result, "memoryUsedBytes", napi::MakeNumber(env, static_cast<double>(memory.used)));
  napi::Set(env, result, "utilizationPercent", known ? napi::MakeNumber(env, percent) : napi::MakeNull(env));
  return result;
}

napi_value Report(napi_env env, Library& library) {
  const std::string version = library.DriverVersion();
  unsigned count = 0;
  if (!library.Count(count)) return NotFound(env, "NVIDIA driver " + version + " does not list its GPUs: " + library.error());
  napi_value devices;
  napi::Check(env, napi_create_array(env, &devices));
  uint32_t listed = 0;
  for (unsigned index = 0; index < count; ++index) {
    Device device = nullptr;
    // a GPU that has fallen off the bus, or that this container may not use, can't be served from
    if (!library.Get(index, device)) continue;
    napi::Check(env, napi_set_element(env, devices, listed++, Describe(env, library, index, device)));
  }
  if (listed == 0) {
    return NotFound(env, "NVIDIA driver " + version + " is loaded but has no usable GPU" + (count > 0 ? ": " + library.error() : ""));
  }
  napi_value report = napi::MakeObject(env);
  napi::Set(env, report, "found", napi::MakeBool(env, true));
  napi::Set(env, report, "driverVersion", napi::MakeString(env, version));
  napi::Set(env, report, "devices", devices);
  return report;
}

std::string Text(const Args& args, size_t i) {
  char text[4096];
  size_t length = 0;
  if (napi_get_value_string_utf8(args.env(), args.raw(i), text, sizeof(text), &length) != napi_ok) {
    napi::ThrowType(args.env(), "path must be a string");
  }
  return std::string(text, length);
}

// (path?) → NvmlReport. The path is for tests; without it the places where drivers and container toolkits put NVML.
napi_value Nvml(const Args& args) {
  std::vector<std::string> paths = {"libnvidia-ml.so.1", "/usr/local/nvidia/lib64/libnvidia-ml.so.1"};
  if (args.Has(0)) paths = {Text(args, 0)};
  std::string reason;
  for (const std::string& path : paths) {
    Library library(path.c_str());
    if (library.Start()) return Report(args.env(), library);
    if (reason.empty()) reason = library.error();
  }
  return NotFound(args.env(), "no NVIDIA driver: " + reason);
}

}  // namespace

void ExportNvml(napi_env env, napi_value exports) { napi::Export<Nvml>(env, exports, "nvml"); }

}  // namespace sluice
