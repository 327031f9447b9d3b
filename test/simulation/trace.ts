/** Lines that are kept to be shown after a failure. */
const KEPT_LINES = 200

/**
 * What happened, in order: as one number that two runs of a seed must share, and the last lines in words.
 */
export const createTrace = (seconds: () => number) => {
  let [low, high] = [0x811c9dc5, 0x1000193]
  let count = 0
  const lines: string[] = []
  const mix = (value: number): void => {
    low = Math.imul(low ^ value, 0x01000193) >>> 0
    high = Math.imul(high ^ (value + low), 0x85ebca6b) >>> 0
  }
  const mixText = (text: string): void => {
    for (let index = 0; index < text.length; index++) mix(text.charCodeAt(index))
  }
  return {
    /** An event that happens often: only its hash is kept. */
    note: (text: string, ...values: readonly number[]): void => {
      count++
      mix(Math.round(seconds() * 1e6))
      mixText(text)
      for (const value of values) mix(value)
    },
    /** An event that a reader of a failure wants to see. */
    say: (text: string): void => {
      count++
      mix(Math.round(seconds() * 1e6))
      mixText(text)
      lines.push(`${seconds().toFixed(3).padStart(9)} s  ${text}`)
      if (lines.length > KEPT_LINES) lines.shift()
    },
    hash: (): string => low.toString(16).padStart(8, '0') + high.toString(16).padStart(8, '0'),
    count: (): number => count,
    lines: (): readonly string[] => lines,
  }
}

export type Trace = ReturnType<typeof createTrace>
