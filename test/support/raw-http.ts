/** HTTP by hand, byte for byte, for what no well-behaved client sends. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export class RawConnection {
  readonly socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.on('close', end).on('end', end).on('error', end);
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next response. Rejects when the connection ends before it is whole. */
  async response(): Promise<RawResponse> {
    const head = (await this.until('\r\n\r\n')).toString('latin1');
    const [statusLine = '', ...lines] = head.trimEnd().split('\r\n');
    const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
    const status = Number(statusLine.split(' ')[1]);
    const length = headers['content-length'];
    return { status, headers, body: status < 200 || status === 204 || length === undefined ? Buffer.alloc(0) : await this.take(Number(length)) };
  }

  /** Everything up to and with `mark`. */
  async until(mark: string): Promise<Buffer> {
    while (!this.#received.includes(mark)) await this.#more();
    return this.#cut(this.#received.indexOf(mark) + mark.length);
  }

  async take(length: number): Promise<Buffer> {
    while (this.#received.length < length) await this.#more();
    return this.#cut(length);
  }

  /** Resolves with what was not read when the server has closed the connection. */
  async closed(): Promise<Buffer> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#received;
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new Error(`the connection ended after ${JSON.stringify(this.#received.toString('latin1').slice(0, 200))}`);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  #cut(length: number): Buffer {
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }
}

/** A POST with a length. */
export function rawPost(path: string, body: Buffer, headers: Readonly<Record<string, string>> = {}): Buffer {
  const lines = Object.entries({ 'Host': 'test', 'Content-Length': String(body.length), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines}\r\n`), body]);
}
