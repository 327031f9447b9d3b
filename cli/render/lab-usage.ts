import type { Lab } from '../../deploy/local/lab.ts'
import { agentAddress } from '../../deploy/local/processes.ts'
import type { Addresses } from '../lab/start-lab.ts'

/** Enters the user namespace of a lab without root, through its first process: a grandchild of the outer command. */
const enterCommand = (pid: string): string =>
  `nsenter --preserve-credentials -U -n -m -p -w -t $(pgrep -P $(pgrep -P ${pid} unshare)) $SHELL`

/** How to use a running lab. Each indented line can be pasted into a shell. */
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
    `  node_modules/.bin/buf curl --protocol grpc --http2-prior-knowledge -d '{}' http://${addresses.collector}/meshgauge.collector.v1.FleetService/ListNodes`,
    `  node_modules/.bin/buf curl --protocol grpc --http2-prior-knowledge -d '${ping}' http://${agent}/meshgauge.agent.v1.PingService/Ping`,
    `  grpcurl -plaintext -d '${ping}' ${agent} meshgauge.agent.v1.PingService/Ping`,
  ]
  if (options.userNamespaceOf !== undefined) {
    lines.unshift(
      'This lab is in its own user namespace. In another terminal, enter the namespace first:',
      `  ${enterCommand(options.userNamespaceOf)}`,
    )
  }
  return lines.join('\n')
}
