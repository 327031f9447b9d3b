import { type AutopilotCheck, hasVerdict, isFail, nodeFlag, observation } from '../check.ts'

export const pvc: AutopilotCheck = {
  name: 'pvc',
  health: 'pvc',
  isFlag: true,
  hasAllDevices: () => true,
  parameters: () => ({}),
  // Without an end of line, as in Autopilot.
  text: (_node, result) => {
    if (hasVerdict(result))
      return isFail(result) ? '[PVC Create-Delete] FAIL' : '[PVC Create-Delete] PVC SUCCESS'
    const reason = result.reasons.join('; ')
    return /no Kubernetes|storage class/i.test(reason)
      ? 'Storage class not set. Cannot run. ABORT'
      : `Create PVC Failed. ABORT (${reason})`
  },
  log: (node, result) => nodeFlag(result, '').map(({ value }) => observation(node, String(value))),
  samples: (result) => nodeFlag(result, ''),
}
