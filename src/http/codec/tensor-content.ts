/** What the bytes of a tensor must be, beyond their number. */
import { isUtf8 } from 'node:buffer';
import { SluiceError } from '../../errors.ts';
import { counted } from './text.ts';

/** Throws BAD_TENSOR for a byte that is neither 0 nor 1: what ONNX Runtime makes of others is undefined. */
export function checkBooleans(bytes: Uint8Array, label: string): void {
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at]! > 1) throw new SluiceError('BAD_TENSOR', `${label}: element ${at} is ${bytes[at]!}; BOOL is 0 or 1`);
  }
}

/**
 * Walks a BYTES tensor, (uint32 little-endian length, bytes) per element. Throws BAD_TENSOR where lengths and element
 * count don't come out right, and for elements that are not UTF-8 or hold a NUL: ONNX strings are UTF-8, and ONNX Runtime
 * cuts them at the first NUL.
 */
export function checkByteElements(bytes: Uint8Array, count: number, label: string): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  for (let element = 0; element < count; element += 1) {
    if (at + 4 > buffer.length) {
      throw new SluiceError('BAD_TENSOR', `${label}: ends after ${counted(element, 'element')}; its shape has ${count}`);
    }
    const length = buffer.readUInt32LE(at);
    at += 4;
    if (length > buffer.length - at) {
      throw new SluiceError('BAD_TENSOR', `${label}: element ${element} has a length of ${length}, but only ${counted(buffer.length - at, 'byte')} follow`);
    }
    checkElement(buffer.subarray(at, at + length), element, label);
    at += length;
  }
  if (at !== buffer.length) {
    throw new SluiceError('BAD_TENSOR', `${label}: ${counted(buffer.length - at, 'byte')} follow after its ${counted(count, 'element')}`);
  }
}

function checkElement(text: Buffer, element: number, label: string): void {
  if (text.includes(0)) throw new SluiceError('BAD_TENSOR', `${label}: element ${element} holds a NUL byte, where ONNX strings end`);
  if (!isUtf8(text)) throw new SluiceError('BAD_TENSOR', `${label}: element ${element} is not valid UTF-8, as ONNX strings are`);
}
