/** Two ways to end, the same everywhere (as in undici): `close` drains and waits, `destroy` fails what is left, at once. Both may be called again. */
export interface Lifecycle {
  close(): Promise<void>;
  destroy(): void;
}
