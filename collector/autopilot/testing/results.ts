import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'

/** Results in the form of the GPU checks of an agent. */

const { CHECK_STATUS_PASS: PASS, CHECK_STATUS_FAIL: FAIL, CHECK_STATUS_SKIPPED: SKIPPED } = CheckStatus

type EvidenceFields = [subject: string, name: string, value: unknown, status?: CheckStatus, fatal?: boolean]

export const resultOf = (
  check: string,
  status: CheckStatus,
  evidence: readonly EvidenceFields[] = [],
  reasons: readonly string[] = [],
  rawOutput = '',
): CheckResult =>
  CheckResult.fromPartial({
    check,
    status,
    reasons: [...reasons],
    evidence: evidence.map(([subject, name, value, found = PASS, fatal = false]) => ({
      subject,
      name,
      value: value as object,
      status: found,
      fatal,
    })),
    rawOutput,
  })

const models = (count: number): EvidenceFields[] =>
  Array.from({ length: count }, (_, gpu): EvidenceFields => [String(gpu), 'model', 'NVIDIA A100-SXM4-80GB'])

/** A result with the rate of each GPU in GB/s. It fails below the threshold. */
export const pciebw = (values: readonly number[], threshold = 4): CheckResult =>
  resultOf(
    'pciebw',
    values.some((value) => value < threshold) ? FAIL : PASS,
    [
      ...models(values.length),
      ['node', 'threshold', threshold * 1e9],
      ...values.map(
        (value, gpu): EvidenceFields => [
          String(gpu),
          'host_to_device',
          value * 1e9,
          value < threshold ? FAIL : PASS,
        ],
      ),
    ],
    values.flatMap((value, gpu) =>
      value < threshold ? [`${gpu}: only ${value} GB/s from host to GPU`] : [],
    ),
  )

const flags = (check: string, name: string, bad: readonly boolean[]): CheckResult =>
  resultOf(
    check,
    bad.includes(true) ? FAIL : PASS,
    [
      ...models(bad.length),
      ...bad.map((is, gpu): EvidenceFields => [String(gpu), name, is, is ? FAIL : PASS]),
    ],
    bad.flatMap((is, gpu) => (is ? [`${gpu}: ${name}`] : [])),
  )

export const remapped = (bad: readonly boolean[]): CheckResult => flags('remapped', 'pending', bad)
export const gpupower = (bad: readonly boolean[]): CheckResult => flags('gpupower', 'hw_slowdown', bad)

export const dcgm = (level: number, failed: readonly string[] = []): CheckResult =>
  resultOf(
    'dcgm',
    failed.length > 0 ? FAIL : PASS,
    [
      ...models(2),
      ['node', 'level', level],
      ...failed.map(
        (test): EvidenceFields => [
          '0',
          test.toLowerCase().replaceAll(' ', '_'),
          'fail',
          FAIL,
          test === 'PCIe',
        ],
      ),
      ['node', 'failed_tests', failed.map((test) => `${test.toLowerCase().replaceAll(' ', '_')}.0`)],
    ],
    failed.map((test) => `0: DCGM test ${test} fails: it is broken`),
  )

export const gpumem = (ok: boolean): CheckResult =>
  resultOf(
    'gpumem',
    ok ? PASS : FAIL,
    models(2),
    ok ? [] : ['0: daxpy reaches only 900 GB/s'],
    ok ? '' : 'GPU 0\n',
  )

/** A result with whether each peer answers, by name. The address of node-2 is 10.9.0.2, and so on. */
export const ping = (answers: Readonly<Record<string, boolean>>): CheckResult => {
  const subject = (node: string) => `10.9.0.${node.replace(/\D/g, '')}%net0`
  const peers = Object.entries(answers)
  return resultOf(
    'ping',
    peers.every(([, isAnswering]) => isAnswering) ? PASS : FAIL,
    peers.flatMap(([node, isAnswering]): EvidenceFields[] => [
      [subject(node), 'node', node],
      [subject(node), 'loss', isAnswering ? 0 : 1, isAnswering ? PASS : FAIL],
    ]),
    peers.flatMap(([node, isAnswering]) => (isAnswering ? [] : [`${subject(node)}: does not answer`])),
  )
}

export const skipped = (check: string, ...reasons: string[]): CheckResult =>
  resultOf(check, SKIPPED, [], reasons)
