/** Runs the steps of a trial and prints one line for each: its name, result and duration. */

import { formatDuration } from '../../lib/units.ts'
import { type Paint, padEnd, type Style } from '../render/paint.ts'
import { createStatusLine } from '../render/status-line.ts'
import type { Terminal } from '../terminal.ts'

const NAME_WIDTH = 11
const RESULT_WIDTH = 24

export type Steps = {
  /** Runs a step and prints its line when it ends. `note` is printed after the duration. */
  step<T>(name: string, work: () => Promise<T>, describe: (value: T) => StepResult): Promise<T>
}

/** `odd` deserves a look, `bad` is a finding. */
type StepGrade = 'good' | 'odd' | 'bad'

type StepResult = { text: string; note?: string; grade?: StepGrade }

const SIGNS: Record<StepGrade, readonly [Style, string]> = {
  good: ['green', '✔'],
  odd: ['yellow', '!'],
  bad: ['red', '✘'],
}

export const createSteps = ({ stdout, stderr, clock }: Terminal, paint: Paint): Steps => ({
  step: async (name, work, describe) => {
    const begun = clock.monotonicSeconds()
    // A terminal shows the step while it runs; a log gets only the final line.
    const line = createStatusLine(stderr)
    line.show(`  ${paint('cyan', '◐')} ${name}`)
    try {
      const value = await work()
      const { text, note = '', grade = 'good' } = describe(value)
      const sign = paint(...SIGNS[grade])
      const seconds = padEnd(formatDuration(clock.monotonicSeconds() - begun), 8)
      line.clear()
      stdout.write(
        `  ${sign} ${padEnd(name, NAME_WIDTH)}  ${padEnd(text, RESULT_WIDTH)}  ${seconds}  ${note}`
          .trimEnd()
          .concat('\n'),
      )
      return value
    } catch (error) {
      line.clear()
      stdout.write(`  ${paint('red', '✘')} ${name}\n`)
      throw error
    }
  },
})
