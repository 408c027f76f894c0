// The thin layer between Node-API and the rest. Inside a callback a failed call throws Pending (C++), which `Callback`
// catches: no exception leaves the addon, and in a dying environment (worker.terminate) nothing is thrown at all.
#pragma once

#include <node_api.h>

#include <cmath>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "datatype.h"

namespace sluice::napi {

// A JavaScript exception is pending, or the environment is going away.
struct Pending {};

[[noreturn]] inline void ThrowType(napi_env env, const std::string& message) {
  napi_throw_type_error(env, nullptr, message.c_str());
  throw Pending{};
}

[[noreturn]] inline void ThrowRange(napi_env env, const std::string& message) {
  napi_throw_range_error(env, nullptr, message.c_str());
  throw Pending{};
}

inline void Check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  if (status != napi_pending_exception) {
    const napi_extended_error_info* info = nullptr;
    napi_get_last_error_info(env, &info);
    const char* const message = info != nullptr && info->error_message != nullptr ? info->error_message : "Node-API call failed";
    napi_throw_type_error(env, nullptr, message);
  }
  throw Pending{};
}

struct Bytes {
  uint8_t* data;
  size_t size;
};

// The arguments of one call. Getters throw TypeError or RangeError that name the argument.
class Args {
 public:
  static constexpr size_t kMax = 4;

  Args(napi_env env, napi_callback_info info) : env_(env) { Check(env, napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr)); }

  napi_env env() const { return env_; }
  napi_value raw(size_t i) const { return values_[i]; }
  bool Has(size_t i) const { return i < count_ && TypeOf(i) != napi_undefined && TypeOf(i) != napi_null; }

  double Number(size_t i, const char* name) const {
    double value = 0;
    if (napi_get_value_double(env_, values_[i], &value) != napi_ok) ThrowType(env_, std::string(name) + " must be a number");
    return value;
  }

  // A whole number in [0, max].
  uint64_t Unsigned(size_t i, const char* name, double max) const {
    const double value = Number(i, name);
    if (!(value >= 0 && value <= max) || value != std::floor(value)) {
      ThrowRange(env_, std::string(name) + " must be a whole number from 0 to " + std::to_string(static_cast<uint64_t>(max)));
    }
    return static_cast<uint64_t>(value);
  }

  Bytes Uint8Array(size_t i, const char* name) const {
    napi_typedarray_type type;
    void* data = nullptr;
    size_t length = 0;
    if (napi_get_typedarray_info(env_, values_[i], &type, &length, &data, nullptr, nullptr) != napi_ok || type != napi_uint8_array) {
      ThrowType(env_, std::string(name) + " must be a Uint8Array");
    }
    return {static_cast<uint8_t*>(data), length};
  }

  sluice::Datatype Datatype(size_t i) const {
    return static_cast<sluice::Datatype>(Unsigned(i, "datatype", kDatatypeCount - 1));
  }

  // Dimensions, and their product through `count`.
  std::vector<uint64_t> Shape(size_t i, uint64_t& count) const;

 private:
  napi_valuetype TypeOf(size_t i) const {
    napi_valuetype type = napi_undefined;
    Check(env_, napi_typeof(env_, values_[i], &type));
    return type;
  }

  napi_env env_;
  size_t count_ = kMax;
  napi_value values_[kMax] = {};
};

constexpr double kMaxSafeInteger = 9007199254740991.0;

inline std::vector<uint64_t> Args::Shape(size_t i, uint64_t& count) const {
  uint32_t rank = 0;
  if (napi_get_array_length(env_, values_[i], &rank) != napi_ok) ThrowType(env_, "shape must be an array");
  std::vector<uint64_t> shape;
  shape.reserve(rank);
  count = 1;
  for (uint32_t d = 0; d < rank; ++d) {
    napi_value element;
    double value = -1;
    Check(env_, napi_get_element(env_, values_[i], d, &element));
    if (napi_get_value_double(env_, element, &value) != napi_ok || !(value >= 0 && value <= kMaxSafeInteger) || value != std::floor(value)) {
      ThrowRange(env_, "shape must hold whole numbers from 0 on");
    }
    shape.push_back(static_cast<uint64_t>(value));
    if (__builtin_mul_overflow(count, shape.back(), &count) || count > static_cast<uint64_t>(kMaxSafeInteger)) {
      ThrowRange(env_, "shape has more elements than a number can count");
    }
  }
  return shape;
}

inline napi_value MakeNumber(napi_env env, double value) {
  napi_value result;
  Check(env, napi_create_double(env, value, &result));
  return result;
}

inline napi_value MakeString(napi_env env, std::string_view text) {
  napi_value result;
  Check(env, napi_create_string_utf8(env, text.data(), text.size(), &result));
  return result;
}

inline napi_value MakeBool(napi_env env, bool value) {
  napi_value result;
  Check(env, napi_get_boolean(env, value, &result));
  return result;
}

inline napi_value MakeNull(napi_env env) {
  napi_value result;
  Check(env, napi_get_null(env, &result));
  return result;
}

inline napi_value MakeObject(napi_env env) {
  napi_value result;
  Check(env, napi_create_object(env, &result));
  return result;
}

inline void Set(napi_env env, napi_value object, const char* key, napi_value value) {
  Check(env, napi_set_named_property(env, object, key, value));
}

// The boundary: F may throw; what leaves is a JavaScript exception or nothing.
template <napi_value (*F)(const Args&)>
napi_value Callback(napi_env env, napi_callback_info info) noexcept {
  try {
    return F(Args(env, info));
  } catch (const Pending&) {
  } catch (const std::exception& error) {
    napi_throw_range_error(env, nullptr, error.what());  // bad_alloc and length_error: more was asked than there is
  }
  return nullptr;
}

template <napi_value (*F)(const Args&)>
void Export(napi_env env, napi_value exports, const char* name) {
  napi_value function;
  Check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, Callback<F>, nullptr, &function));
  Set(env, exports, name, function);
}

}  // namespace sluice::napi
