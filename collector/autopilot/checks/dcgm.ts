import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import {
  type AutopilotCheck,
  briefing,
  evidenceOf,
  hasVerdict,
  isFail,
  lines,
  nodeFlag,
  observation,
} from '../check.ts'

/** Names of the tests that failed: as DCGM has them where the reasons say so, else in small letters. */
const failedTests = (result: CheckResult): string[] => {
  const named = result.reasons.flatMap((reason) => /DCGM test (.+?) fails/.exec(reason)?.[1] ?? [])
  if (named.length > 0) return [...new Set(named)]
  const listed = evidenceOf(result, 'node', 'failed_tests')?.value as unknown
  return Array.isArray(listed) ? listed.map((test) => String(test).split('.')[0]!) : []
}

/** The GPUs were asked for, and the diagnostic could not be done on them. */
const wasTried = ({ reasons }: CheckResult): boolean =>
  reasons.some((reason) => /^dcgmi\b|GPUs? (are|is) not idle|did not finish|processes are on/.test(reason))

const withoutVerdict = (result: CheckResult): string => {
  const said = briefing(result)
  if (/is not installed/.test(result.reasons.join()) || !wasTried(result))
    return lines(said, '', '[[ DCGM ]] ABORT', said, '')
  return lines(
    '',
    '[[ DCGM ]] Briefings completed. Continue with dcgm evaluation.',
    '[[ DCGM ]] DCGM process terminated with errors. Other processes might be running on GPUs. ABORT',
    '[[ DCGM ]] GPUs currently utilized:',
    ...result.reasons.map((reason) => ` ${reason}`),
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
