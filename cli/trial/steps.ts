/** The lines of a trial: one for each step, with its time and what came of it. */

import { formatDuration } from '../../lib/units.ts'
import { type Paint, padEnd, type Style } from '../render/paint.ts'
import { createStatusLine } from '../render/status-line.ts'
import type { Terminal } from '../terminal.ts'

const NAME_WIDTH = 11
const RESULT_WIDTH = 24

export type Steps = {
  /** Runs a step; its line appears when it is done. `note` is shown as it is, after the time. */
  step<T>(name: string, work: () => Promise<T>, describe: (value: T) => StepResult): Promise<T>
}

/** `odd` is worth a look, `bad` is a finding. */
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
    // In a terminal the step shows before it is done; a log gets its line once.
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
