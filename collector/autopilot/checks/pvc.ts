import { type AutopilotCheck, hasVerdict, isFail, nodeFlag, observation } from '../check.ts'

export const pvc: AutopilotCheck = {
  name: 'pvc',
  health: 'pvc',
  isFlag: true,
  hasAllDevices: () => true,
  parameters: () => ({}),
  // Without an end of line, as the old daemon sent it.
  text: (_node, result) => {
    if (hasVerdict(result))
      return isFail(result) ? '[PVC Create-Delete] FAIL' : '[PVC Create-Delete] PVC SUCCESS'
    const why = result.reasons.join('; ')
    return /no Kubernetes|storage class/i.test(why)
      ? 'Storage class not set. Cannot run. ABORT'
      : `Create PVC Failed. ABORT (${why})`
  },
  log: (node, result) => nodeFlag(result, '').map(({ value }) => observation(node, String(value))),
  samples: (result) => nodeFlag(result, ''),
}
