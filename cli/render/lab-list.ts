import { formatFault, type LabReport } from '../../deploy/local/lab.ts'
import { counted } from '../../lib/units.ts'
import type { Paint } from './paint.ts'

type LabWithCollector = LabReport & { collector: string | undefined }

const renderLab = (
  { index, state, lab, processes, problems, collector }: LabWithCollector,
  paint: Paint,
): string => {
  const sign = state === 'up' ? paint('green', '✔') : paint('red', '✘')
  const kind = lab
    ? `, ${counted(lab.nodes.length, 'node')} ${lab.kind === 'loopback' ? 'on loopback' : 'in namespaces'}`
    : ''
  const racks = lab && lab.racks > 1 ? `, ${counted(lab.racks, 'rack')}` : ''
  const alive = processes.filter(({ isAlive }) => isAlive).length
  const faults = (lab?.faults ?? []).map(formatFault)
  return [
    `${sign} lab ${index}: ${state}${kind}${racks}, ${alive} of ${processes.length} processes run${collector ? `, collector ${collector}` : ''}`,
    ...(faults.length > 0 ? [paint('yellow', `  active faults: ${faults.join(', ')}`)] : []),
    ...problems.map((problem) => paint('red', `  ${problem}`)),
  ].join('\n')
}

export const renderLabs = (labs: readonly LabWithCollector[], paint: Paint): string =>
  labs.length === 0
    ? 'No lab is running. Create one with "meshgauge lab up".'
    : labs.map((lab) => renderLab(lab, paint)).join('\n')
