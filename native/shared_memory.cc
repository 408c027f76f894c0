// SharedMemory of src/native/contract.ts: a sealed memfd, mapped once per call as an external ArrayBuffer, and futexes on it.
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>

#include "bindings.h"
#include "napi_support.h"

namespace sluice {

namespace {

using napi::Args;

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// The reason is read from errno first: building the text may change it.
[[noreturn]] void ThrowErrno(napi_env env, const std::string& what) {
  const int number = errno;
  napi::ThrowRange(env, what + ": " + std::strerror(number));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

struct Mapping {
  void* address;
  size_t bytes;
  Mapping(void* at, size_t size) : address(at), bytes(size) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { munmap(address, bytes); }
};

void Unmap(napi_env, void*, void* hint) { delete static_cast<Mapping*>(hint); }

napi_value MapBuffer(napi_env env, int fd, size_t bytes) {
  void* const address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) ThrowErrno(env, "cannot map " + std::to_string(bytes) + " bytes");
  auto mapping = std::make_unique<Mapping>(address, bytes);
  napi_value buffer;
  napi::Check(env, napi_create_external_arraybuffer(env, address, bytes, Unmap, mapping.get(), &buffer));
  mapping.release();
  return buffer;
}

size_t ByteLength(const Args& args, size_t i) {
  const size_t bytes = args.Unsigned(i, "byteLength", napi::kMaxSafeInteger);
  if (bytes == 0) napi::ThrowRange(args.env(), "byteLength must not be 0");
  return bytes;
}

// (byteLength) → { fd, buffer }
napi_value Create(const Args& args) {
  napi_env env = args.env();
  const size_t bytes = ByteLength(args, 0);
  // spawn() duplicates the descriptor into the child, which clears close-on-exec there and only there
  Descriptor fd(memfd_create("sluice-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (fd.get() < 0) ThrowErrno(env, "memfd_create");
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) ThrowErrno(env, "cannot make a memfd of " + std::to_string(bytes) + " bytes");
  if (fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) ThrowErrno(env, "cannot seal the memfd");
  napi_value result = napi::MakeObject(env);
  napi::Set(env, result, "buffer", MapBuffer(env, fd.get(), bytes));
  napi::Set(env, result, "fd", napi::MakeNumber(env, fd.get()));
  fd.release();
  return result;
}

// (fd, byteLength) → ArrayBuffer. Memory that another process can truncate would end this one with SIGBUS: refused.
napi_value Map(const Args& args) {
  napi_env env = args.env();
  const int fd = static_cast<int>(args.Unsigned(0, "fd", INT_MAX));
  const size_t bytes = ByteLength(args, 1);
  struct stat info;
  if (fstat(fd, &info) != 0) ThrowErrno(env, "descriptor " + std::to_string(fd));
  if (static_cast<uint64_t>(info.st_size) < bytes) {
    napi::ThrowRange(env, "descriptor " + std::to_string(fd) + " has " + std::to_string(info.st_size) + " bytes, not " + std::to_string(bytes));
  }
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) napi::ThrowRange(env, "descriptor " + std::to_string(fd) + " is not a sealed memfd");
  return MapBuffer(env, fd, bytes);
}

uint32_t* Word(const Args& args) {
  void* data = nullptr;
  size_t length = 0;
  if (napi_get_arraybuffer_info(args.env(), args.raw(0), &data, &length) != napi_ok) {
    napi::ThrowType(args.env(), "buffer must be an ArrayBuffer");
  }
  const size_t offset = args.Unsigned(1, "byteOffset", napi::kMaxSafeInteger);
  if (offset % sizeof(uint32_t) != 0) napi::ThrowRange(args.env(), "byteOffset must be a multiple of 4");
  if (length < sizeof(uint32_t) || offset > length - sizeof(uint32_t)) napi::ThrowRange(args.env(), "byteOffset lies outside the buffer");
  return reinterpret_cast<uint32_t*>(static_cast<uint8_t*>(data) + offset);
}

// (buffer, byteOffset, expected, timeoutMs) → boolean. Not FUTEX_PRIVATE: the waker may be another process.
napi_value FutexWait(const Args& args) {
  uint32_t* const word = Word(args);
  int32_t expected = 0;
  if (napi_get_value_int32(args.env(), args.raw(2), &expected) != napi_ok) napi::ThrowType(args.env(), "expected must be a number");
  const double timeout_ms = args.Number(3, "timeoutMs");
  if (!(timeout_ms >= 0)) napi::ThrowRange(args.env(), "timeoutMs must be 0 or more");

  // An absolute deadline, so that signals in between don't lengthen the wait. Beyond a year is for ever.
  timespec deadline;
  const bool bounded = timeout_ms < 365.0 * 86400e3;
  if (bounded) {
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    const auto ns = static_cast<int64_t>(timeout_ms * 1e6) + deadline.tv_nsec;
    deadline.tv_sec += static_cast<time_t>(ns / 1000000000);
    deadline.tv_nsec = static_cast<long>(ns % 1000000000);
  }
  long status;
  do {
    status = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, static_cast<uint32_t>(expected), bounded ? &deadline : nullptr, nullptr,
                     FUTEX_BITSET_MATCH_ANY);
  } while (status != 0 && errno == EINTR);
  return napi::MakeBool(args.env(), status == 0 || errno != ETIMEDOUT);
}

// (buffer, byteOffset, count) → how many were woken
napi_value FutexWake(const Args& args) {
  uint32_t* const word = Word(args);
  const auto count = static_cast<int>(args.Unsigned(2, "count", INT_MAX));
  const long woken = syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  if (woken < 0) ThrowErrno(args.env(), "futex wake");
  return napi::MakeNumber(args.env(), static_cast<double>(woken));
}

// (fd). Full: it rings already. Closed at the other end: nobody is left to hear it, and the caller learns that elsewhere.
napi_value Ring(const Args& args) {
  const int fd = static_cast<int>(args.Unsigned(0, "fd", INT_MAX));
  constexpr uint8_t kByte = 1;
  ssize_t sent = send(fd, &kByte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno == ENOTSOCK) {
    // a pipe: writing would block only when it is full
    pollfd ready{fd, POLLOUT, 0};
    sent = poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0 ? write(fd, &kByte, 1) : 1;
  }
  if (sent < 0 && errno == EBADF) ThrowErrno(args.env(), "descriptor " + std::to_string(fd));
  return nullptr;
}

napi_value DieWithParent(const Args& args) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) ThrowErrno(args.env(), "prctl");
  return nullptr;
}

}  // namespace

void ExportSharedMemory(napi_env env, napi_value exports) {
  napi::Export<Create>(env, exports, "sharedCreate");
  napi::Export<Map>(env, exports, "sharedMap");
  napi::Export<FutexWait>(env, exports, "futexWait");
  napi::Export<FutexWake>(env, exports, "futexWake");
  napi::Export<Ring>(env, exports, "ring");
  napi::Export<DieWithParent>(env, exports, "dieWithParent");
}

}  // namespace sluice
