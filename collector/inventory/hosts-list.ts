import { ConfigError, type ConfigProblem } from '../../lib/config.ts'
import { namesIn } from '../../lib/host-list.ts'
import { addressKey, parseAgentAddress } from './agent-address.ts'
import type { InventoryNode } from './config.ts'

/** The entry with invisible characters as escapes, for messages. */
const printable = (entry: string): string =>
  entry.replace(/[^\x20-\x7e]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)

/** A node is named after its address as it is written, which is the same in every list, unlike `host1`, `host2`. */
const nodeOf = (host: string, address: string): InventoryNode => ({
  name: host.replace(/\.$/, ''),
  address,
  rack: '',
  labels: {},
  interfaces: [],
})

/**
 * Parses a list of hosts as netperf-orchestrate reads it: one address per line, `#` starts a comment. A line may be a
 * compressed list of Slurm, such as `gpu-[01-64]`.
 * @throws ConfigError with the location of every problem
 */
export const readHostsList = (file: string, text: string): InventoryNode[] => {
  const problems: ConfigProblem[] = []
  const lineOf = new Map<string, number>()
  const nodes: InventoryNode[] = []
  const add = (host: string, line: number): string | undefined => {
    const parsed = parseAgentAddress(host)
    if ('problem' in parsed) return parsed.problem
    const key = addressKey(parsed.address)
    const first = lineOf.get(key)
    if (first !== undefined) return `is listed already in line ${first}`
    lineOf.set(key, line)
    nodes.push(nodeOf(host, parsed.address))
    return undefined
  }
  for (const [index, raw] of text.split('\n').entries()) {
    const entry = raw.replace(/#.*/, '').trim()
    if (entry === '') continue
    const line = index + 1
    const report = (message: string) =>
      problems.push({ line, column: raw.indexOf(entry) + 1, path: printable(entry), message })
    const hosts = namesIn(entry)
    if ('problem' in hosts) {
      report(hosts.problem)
      continue
    }
    for (const host of hosts) {
      const problem = add(host, line)
      if (problem) report(hosts.length > 1 ? `${host} ${problem}` : problem)
    }
  }
  if (nodes.length === 0 && problems.length === 0) {
    problems.push({ line: 1, column: 1, path: '', message: 'at least one address is needed' })
  }
  if (problems.length > 0) throw new ConfigError(file, problems)
  return nodes
}
