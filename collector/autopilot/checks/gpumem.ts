import {
  type AutopilotCheck,
  abortLine,
  hasVerdict,
  isBriefed,
  isFail,
  lines,
  nodeFlag,
  observation,
} from '../check.ts'

export const gpumem: AutopilotCheck = {
  name: 'gpumem',
  health: 'gpumem',
  isFlag: true,
  hasAllDevices: () => true,
  parameters: () => ({}),
  text: (_node, result) => {
    const briefed = '[[ GPU-MEM ]] Briefings completed. Continue with memory evaluation.'
    if (!hasVerdict(result))
      return lines(...(isBriefed(result) ? [briefed] : []), '[[ GPU-MEM ]] ABORT', abortLine(result))
    if (!isFail(result)) return lines(briefed, '[[ GPU-MEM ]] Health Check successful')
    const output = result.rawOutput.trimEnd() || result.reasons.join('\n')
    return lines(briefed, '[[ GPU-MEM ]] Health Check unsuccessful. FAIL.', output)
  },
  log: (node, result) => nodeFlag(result, '0').map(({ value }) => observation(node, String(value))),
  // Autopilot's metric has the result of the whole node as device 0.
  samples: (result) => nodeFlag(result, '0'),
}
