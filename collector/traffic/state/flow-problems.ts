import { counted } from '../../../lib/units.ts'
import { interfaceKey, type NodeInterface } from '../../inventory/keys.ts'

/** Why one flow does not move. */
export type FlowProblem = { text: string; source: NodeInterface; destination: NodeInterface }

/** More lines are not readable. The flows themselves have all reasons. */
const MAX_LINES = 20

/** The interface or the node that all flows have in common, such as `to node-3 net0`; empty when there is none. */
const commonPlaceOf = (problems: readonly FlowProblem[]): string => {
  if (problems.length < 2) return ''
  const commonOf = (placesOf: (problem: FlowProblem) => string[], preposition: string): string => {
    const common = placesOf(problems[0]!).find((place) =>
      problems.every((problem) => placesOf(problem).includes(place)),
    )
    return common === undefined ? '' : `${preposition} ${common}`
  }
  return (
    commonOf(({ destination }) => [interfaceKey(destination)], 'to') ||
    commonOf(({ source }) => [interfaceKey(source)], 'from') ||
    commonOf(({ source, destination }) => [interfaceKey(source), interfaceKey(destination)], 'from and to') ||
    commonOf(({ destination }) => [destination.node], 'to') ||
    commonOf(({ source }) => [source.node], 'from') ||
    commonOf(({ source, destination }) => [source.node, destination.node], 'from and to')
  )
}

const describeGroup = (group: readonly FlowProblem[]): string => {
  const { text, source, destination } = group[0]!
  const example = `${source.node} → ${destination.node} ${source.interface}`
  const common = commonPlaceOf(group)
  const place = group.length === 1 ? ` ${example}` : common ? ` ${common}` : `, such as ${example}`
  return `${counted(group.length, 'flow')}${place}: ${text}`
}

/** One line for each problem, most flows first. Each names the place that its flows have in common, or an example. */
export const describeProblems = (problems: readonly FlowProblem[]): string[] => {
  const groups = [...Map.groupBy(problems, ({ text }) => text).values()].sort((a, b) => b.length - a.length)
  const lines = groups.slice(0, MAX_LINES).map(describeGroup)
  const others = groups.slice(MAX_LINES)
  if (others.length === 0) return lines
  const count = others.reduce((sum, group) => sum + group.length, 0)
  const causes = others.length === 1 ? '1 other problem' : `${others.length} other problems`
  return [...lines, `${counted(count, 'flow')}: ${causes}`]
}
