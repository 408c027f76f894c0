const START = '<!-- bench:start -->';
const END = '<!-- bench:end -->';

/**
 * Puts `content` between the markers of the benchmark, in place of what stands there.
 *
 * @throws Error when the text does not hold both markers once, in this order.
 */
export function replaceBetweenMarkers(text: string, content: string): string {
  const [before, rest, ...more] = text.split(START);
  const [, after, ...others] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined || more.length > 0 || others.length > 0) {
    throw new Error(`the text must hold ${START} and ${END} once, in this order`);
  }
  return `${before}${START}\n${content}\n${END}${after}`;
}
