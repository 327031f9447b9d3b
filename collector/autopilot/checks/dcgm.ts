import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import {
  type AutopilotCheck,
  abortLine,
  evidenceOf,
  hasVerdict,
  isFail,
  lines,
  nodeFlag,
  observation,
} from '../check.ts'

/** Names of the tests that failed: DCGM's names where the reasons contain them, otherwise in lower case. */
const failedTests = (result: CheckResult): string[] => {
  const names = result.reasons.flatMap((reason) => /DCGM test (.+?) fails/.exec(reason)?.[1] ?? [])
  if (names.length > 0) return [...new Set(names)]
  const listed = evidenceOf(result, 'node', 'failed_tests')?.value as unknown
  return Array.isArray(listed) ? listed.map((test) => String(test).split('.')[0]!) : []
}

/** Whether the node has GPUs, and the diagnostic could not be carried out on them. */
const isUnfinished = ({ reasons }: CheckResult): boolean =>
  reasons.some((reason) => /^dcgmi\b|GPUs? (are|is) not idle|did not finish|processes are on/.test(reason))

const withoutVerdict = (result: CheckResult): string => {
  const reason = abortLine(result)
  if (/is not installed/.test(result.reasons.join()) || !isUnfinished(result))
    return lines(reason, '', '[[ DCGM ]] ABORT', reason, '')
  return lines(
    '',
    '[[ DCGM ]] Briefings completed. Continue with dcgm evaluation.',
    '[[ DCGM ]] DCGM process terminated with errors. Other processes might be running on GPUs. ABORT',
    '[[ DCGM ]] GPUs currently utilized:',
    ...result.reasons.map((each) => ` ${each}`),
  )
}

export const dcgm: AutopilotCheck = {
  name: 'dcgm',
  health: 'dcgm',
  isFlag: true,
  hasAllDevices: () => true,
  parameters: ({ level }) => ({ level }),
  text: (node, result) => {
    if (!hasVerdict(result)) return withoutVerdict(result)
    const briefed = ['', '[[ DCGM ]] Briefings completed. Continue with dcgm evaluation.']
    if (!isFail(result)) return lines(...briefed, '[[ DCGM ]] SUCCESS')
    return lines(
      ...briefed,
      ...failedTests(result).map((test) => `${test} : Fail`),
      `Host ${node}`,
      '[[ DCGM ]] FAIL',
    )
  },
  log: (node, result) =>
    nodeFlag(result, '').map(({ value }) => observation(node, `${value === 0 ? 'Pass' : 'Fail'} ${value}`)),
  samples: (result) => nodeFlag(result, ''),
}
