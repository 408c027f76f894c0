/**
 * JSON lines over a socket. Both ends are strict: what is not a line of JSON of a sane length ends the channel, because
 * whoever writes garbage there cannot be trusted with anything else.
 */
import type { Duplex } from 'node:stream';

/** No message comes near this: the largest are load reports, about 100 bytes a tensor, and orders, about 30 a segment. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;

export interface ChannelEvents {
  message(value: unknown): void;
  /** The other end wrote what cannot be a message. Nothing is read after it. */
  garbage(reason: string): void;
  /** The other end is gone. Called once. */
  closed(): void;
}

const NEWLINE = 0x0a;

export class Channel {
  private readonly stream: Duplex;
  private readonly events: ChannelEvents;
  private pieces: Buffer[] = [];
  private pendingBytes = 0;
  private dead = false;

  constructor(stream: Duplex, events: ChannelEvents) {
    this.stream = stream;
    this.events = events;
    stream.on('data', (chunk: Buffer) => {
      this.read(chunk);
    });
    // A broken socket is the other end's death, which 'close' tells; without a listener it would be thrown.
    stream.on('error', () => undefined);
    stream.on('close', () => {
      this.dead = true;
      this.events.closed();
    });
    stream.on('end', () => stream.destroy());
  }

  /** Messages to an end that is gone are dropped: its owner hears of it through `closed`. `sent` runs when it has left this process. */
  send(message: object, sent?: () => void): void {
    if (this.dead || !this.stream.writable) {
      if (sent !== undefined) process.nextTick(sent);
      return;
    }
    this.stream.write(`${JSON.stringify(message)}\n`, sent === undefined ? undefined : () => sent());
  }

  close(): void {
    this.dead = true;
    this.stream.destroy();
  }

  private read(chunk: Buffer): void {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0 && !this.dead; end = chunk.indexOf(NEWLINE, from)) {
      const tail = chunk.subarray(from, end);
      const line = this.pendingBytes === 0 ? tail : Buffer.concat([...this.pieces, tail]);
      this.pieces = [];
      this.pendingBytes = 0;
      from = end + 1;
      this.handle(line);
    }
    if (this.dead || from === chunk.length) return;
    this.pieces.push(chunk.subarray(from));
    this.pendingBytes += chunk.length - from;
    if (this.pendingBytes > MAX_LINE_BYTES) this.refuse(`a line of more than ${MAX_LINE_BYTES} bytes`);
  }

  private handle(line: Buffer): void {
    let value: unknown;
    try {
      value = JSON.parse(line.toString('utf8'));
    } catch {
      this.refuse(`not JSON: ${JSON.stringify(line.toString('latin1', 0, 80))}`);
      return;
    }
    this.events.message(value);
  }

  private refuse(reason: string): void {
    this.dead = true;
    this.pieces = [];
    this.events.garbage(reason);
  }
}
