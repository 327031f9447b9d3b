import type { Lab } from '../../deploy/local/lab.ts'
import { agentAddress } from '../../deploy/local/processes.ts'
import type { Addresses } from '../lab/start-lab.ts'

/** Enters the user namespace that a lab without root lives in: the grandchild of the command that was typed is its first process. */
const enterCommand = (pid: string): string =>
  `nsenter --preserve-credentials -U -n -m -p -w -t $(pgrep -P $(pgrep -P ${pid} unshare)) $SHELL`

/** How to use a lab that is up, with its own addresses: each line can be typed as it stands. */
export const renderLabUsage = (
  lab: Lab,
  addresses: Addresses,
  options: { program: string; userNamespaceOf?: string | undefined },
): string => {
  const [node] = lab.nodes
  const [first, second] = lab.nodes.flatMap(({ interfaces }) => interfaces.slice(0, 1))
  const agent = node ? agentAddress(node) : ''
  const ping = `{"targets":[{"address":"${second?.address}"}],"interface":"${first?.name}","count":5}`
  const { program } = options
  const fault =
    lab.kind === 'namespaces' ? [`  ${program} lab fault rate:node-3:net1:tx:50mbit   (and: lab heal)`] : []
  const lines = [
    `Collector ${addresses.collector}, metrics http://${addresses.http}/metrics, agent of ${node?.name} ${agent}`,
    `  export MESHGAUGE_COLLECTOR=${addresses.collector}`,
    `  ${program} nodes`,
    `  ${program} run mesh --test iperf --duration 2s`,
    ...fault,
    `  npx buf curl --protocol grpc --http2-prior-knowledge -d '{}' http://${addresses.collector}/meshgauge.collector.v1.FleetService/ListNodes`,
    `  npx buf curl --protocol grpc --http2-prior-knowledge -d '${ping}' http://${agent}/meshgauge.agent.v1.PingService/Ping`,
    `  grpcurl -plaintext -d '${ping}' ${agent} meshgauge.agent.v1.PingService/Ping`,
  ]
  if (options.userNamespaceOf !== undefined) {
    lines.unshift(
      'This lab lives in a user namespace of its own. Enter it first, in another terminal:',
      `  ${enterCommand(options.userNamespaceOf)}`,
    )
  }
  return lines.join('\n')
}
