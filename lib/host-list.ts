/**
 * Slurm's compressed lists of hosts, such as `gpu-[01-64,70],login[1-2]`, as `scontrol show hostnames` expands them.
 * Hand-written: the npm registry has no library for this format.
 */

/** More hosts than the largest fleet. A short text like `n[1-999999999]` must not fill the memory. */
const MAX_HOSTS = 100_000

/** Why a text is not a list of hosts. */
class HostListError extends Error {}

/** Whether the text has brackets in the form of a compressed list, unlike `[fd00::1]:50051`. */
const isHostList = (text: string): boolean =>
  /[[\]]/.test(text) && !text.includes('=') && !/^\[[\da-f:.]*:[\da-f:.%]*\]/i.test(text)

/** Splits at the commas that are outside of brackets, and removes the spaces around each part. */
export const splitHostList = (text: string): string[] =>
  text.split(/,(?![^[\]]*\])/).map((part) => part.trim())

/** The lowest and highest number of a range, and the width to which zeros pad the numbers. */
type Range = { low: number; high: number; width: number }

const parseRange = (text: string, list: string): Range => {
  const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text)
  if (!match) throw new HostListError(`"${text}" in "${list}" is not a number or a range such as 01-64`)
  const [, low = '', high = low] = match
  const range = { low: Number(low), high: Number(high), width: low.length }
  if (range.high < range.low) throw new HostListError(`the range ${text} in "${list}" ends before it begins`)
  return range
}

const numbersOf = ({ low, high, width }: Range): string[] =>
  Array.from({ length: high - low + 1 }, (_, index) => String(low + index).padStart(width, '0'))

const countOf = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, { low, high }) => sum + high - low + 1, 0)

/** Texts and bracket contents in turn: `a[1-2]b` is `a`, `1-2`, `b`. */
const tokensOf = (part: string): string[] => {
  if (!/^[^[\]]*(\[[^[\]]*\][^[\]]*)*$/.test(part))
    throw new HostListError(`"${part}" has a bracket without its pair`)
  return part.split(/[[\]]/)
}

/** One name with its brackets, parsed. `texts` are around and between the brackets. */
type Pattern = { texts: string[]; brackets: Range[][] }

const parsePattern = (part: string): Pattern => {
  if (part === '') throw new HostListError('the list has an empty entry')
  const tokens = tokensOf(part)
  return {
    texts: tokens.filter((_, index) => index % 2 === 0),
    brackets: tokens
      .filter((_, index) => index % 2 === 1)
      .map((content) => content.split(',').map((range) => parseRange(range, part))),
  }
}

const expandPattern = ({ texts, brackets }: Pattern): string[] =>
  brackets.reduce<string[]>(
    (names, ranges, index) => {
      const numbers = ranges.flatMap(numbersOf)
      return names.flatMap((name) => numbers.map((number) => name + number + texts[index + 1]))
    },
    [texts[0]!],
  )

/**
 * Returns the hosts of a list, in its order. The last bracket of a name changes first.
 * @throws HostListError when the text is no list, or has more than 100,000 hosts
 */
export const expandHostList = (text: string): string[] => {
  const patterns = splitHostList(text).map(parsePattern)
  const count = patterns.reduce(
    (sum, { brackets }) => sum + brackets.reduce((product, ranges) => product * countOf(ranges), 1),
    0,
  )
  if (count > MAX_HOSTS)
    throw new HostListError(`"${text}" has ${count} hosts; at most ${MAX_HOSTS} are allowed`)
  return patterns.flatMap(expandPattern)
}

/** Returns the names in a text: itself, or the hosts of a compressed list. Or says what is wrong with the list. */
export const namesIn = (text: string): string[] | { problem: string } => {
  if (!isHostList(text)) return [text]
  try {
    return expandHostList(text)
  } catch (error) {
    if (!(error instanceof HostListError)) throw error
    return { problem: error.message }
  }
}
