/** Tells the benchmark where this server listens: the line that Sluice's log has too. */
export function announceListening(url: string): void {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url })}\n`);
}
