/**
 * What a failed load or batch on a GPU means. onnxruntime-node's own message says the same for four different causes;
 * the cause stands on the process's stderr only.
 */

/** The one command that installs the CUDA provider; see research of onnxruntime-node's install script. */
const INSTALL = 'run `ONNXRUNTIME_NODE_INSTALL=true npm rebuild onnxruntime-node` (network needed)';

interface Cause {
  readonly pattern: RegExp;
  readonly advice: (match: RegExpExecArray) => string;
}

/** The first that matches decides: the driver is named before the libraries that need it. */
const CAUSES: readonly Cause[] = [
  {
    pattern: /CUDA failure 100\b|no CUDA-capable device is detected/,
    advice: () => 'the NVIDIA driver is there but shows no GPU: check `nvidia-smi` and CUDA_VISIBLE_DEVICES',
  },
  {
    pattern: /CUDA failure (?:35|803)\b|driver version is insufficient/,
    advice: () => 'the NVIDIA driver is too old for this CUDA version: CUDA 13 needs driver 580 or newer',
  },
  {
    pattern: /CUDA failure 209\b|no kernel image is available/,
    advice: () => 'this GPU is too old, or too new, for the CUDA provider: it has code for compute capability 7.5, 8.0, 8.6, 8.9, 9.0 and 12.0',
  },
  {
    pattern: /libonnxruntime_providers_(?:shared|cuda)\.so: cannot open shared object file/,
    advice: () => `the CUDA provider of onnxruntime-node is not installed: ${INSTALL}`,
  },
  {
    pattern: /libcuda\.so\.1: cannot open shared object file/,
    advice: () => 'no NVIDIA driver on this machine, or in this container (libcuda.so.1 is missing)',
  },
  {
    pattern: /(lib(?:cublasLt|cublas|cudart|curand|cufft|cudnn\w*|nvrtc)\.so\.(\d+)): cannot open shared object file/,
    advice: ([, library = '', major = '']) => {
      const product = library.startsWith('libcudnn') ? `cuDNN ${major}` : 'CUDA 13';
      return `${library} of ${product} was not found in the system's library folders or in GPU_LIBRARY_PATH: install ${product} or name its folder`;
    },
  },
  {
    pattern: /no available backend found|backend not found/,
    advice: () => 'this build of onnxruntime-node does not know the provider: a bug in Sluice',
  },
];

/** One sentence on why a model did not load on a GPU, from the message and from what the host wrote to stderr; null when it is none of the known causes. */
export function explainGpuFailure(message: string, stderr: string): string | null {
  for (const { pattern, advice } of CAUSES) {
    const match = pattern.exec(message) ?? pattern.exec(stderr);
    if (match !== null) return advice(match);
  }
  return null;
}

/** Memory ran out on the device or in the host: a smaller batch may work. */
export function isOutOfMemory(message: string): boolean {
  return /out of memory|CUDA failure 2\b|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED|bad_alloc|Failed to allocate memory|smaller than requested bytes/i.test(message);
}

/** The device's context is beyond repair (CUDA errors are sticky): every later call would fail, so the process must go. */
export function isPoisoned(message: string): boolean {
  return !isOutOfMemory(message) && /CUDA failure \d+|CUDA error|CUDNN failure|CUDNN_STATUS_\w+|CUBLAS failure|CUBLAS_STATUS_\w+|device (?:is|was) lost|DeviceLost/i.test(message);
}

/**
 * ORT's message without what only its authors need: status boilerplate, source positions, and host paths, of which the last
 * part stays.
 */
export function plainMessage(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const plain = message
    .replace(/^.*?Status Message: /s, '')
    .replace(/\S*onnxruntime_src\/\S+\s+/g, '')
    .replace(/^[\w./]+\.(?:cc|h|cpp):\d+ (?:operator\(\)|\w+) /, '')
    .replace(/(?:\/[\w.@+-]+){2,}/g, (path) => path.slice(path.lastIndexOf('/') + 1))
    .replace(/\s+/g, ' ')
    .trim();
  return plain.length > 1000 ? `${plain.slice(0, 1000)} …` : plain;
}
