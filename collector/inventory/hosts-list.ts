import { ConfigError, type ConfigProblem } from '../../lib/config.ts'
import { agentAddress, type InventoryNode } from './config.ts'

/**
 * Parses a list of hosts as netperf-orchestrate reads it: one address per line, `#` starts a comment. A node is named
 * after its address, which is the same in every list, unlike `host1`, `host2`.
 * @throws ConfigError with the location of every problem
 */
export const readHostsList = (file: string, text: string): InventoryNode[] => {
  const problems: ConfigProblem[] = []
  const lineOf = new Map<string, number>()
  const nodes: InventoryNode[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const entry = raw.replace(/#.*/, '').trim()
    if (entry === '') continue
    const line = index + 1
    const problem = (message: string) =>
      problems.push({ line, column: raw.indexOf(entry) + 1, path: entry, message })
    const address = agentAddress(entry)
    if (address === undefined) problem('not an address; write host, host:port or [v6]:port')
    else if (lineOf.has(address)) problem(`is listed already in line ${lineOf.get(address)}`)
    else {
      lineOf.set(address, line)
      nodes.push({ name: entry, address, rack: '', labels: {}, interfaces: [] })
    }
  }
  if (nodes.length === 0 && problems.length === 0) {
    problems.push({ line: 1, column: 1, path: '', message: 'at least one address is needed' })
  }
  if (problems.length > 0) throw new ConfigError(file, problems)
  return nodes
}
