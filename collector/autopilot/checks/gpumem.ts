import {
  type AutopilotCheck,
  briefing,
  hasVerdict,
  isFail,
  lines,
  nodeFlag,
  observation,
  wasBriefed,
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
      return lines(...(wasBriefed(result) ? [briefed] : []), '[[ GPU-MEM ]] ABORT', briefing(result))
    if (!isFail(result)) return lines(briefed, '[[ GPU-MEM ]] Health Check successful')
    const said = result.rawOutput.trimEnd() || result.reasons.join('\n')
    return lines(briefed, '[[ GPU-MEM ]] Health Check unsuccessful. FAIL.', said)
  },
  log: (node, result) => nodeFlag(result, '0').map(({ value }) => observation(node, String(value))),
  // The old metric has the whole node's answer under the device 0.
  samples: (result) => nodeFlag(result, '0'),
}
