type Place = { node: string; interface: string }

/** Why one flow does not move. */
export type Cause = { text: string; source: Place; destination: Place }

/** More lines than this are read by nobody; the flows themselves say the rest. */
const MAX_LINES = 20

const flowCount = (count: number): string => `${count.toLocaleString('en')} flow${count === 1 ? '' : 's'}`

const nameOf = ({ node, interface: name }: Place): string => `${node} ${name}`

/** Where all flows of a cause meet: an interface, a node, or nothing. */
const meetingOf = (causes: readonly Cause[]): string => {
  if (causes.length < 2) return ''
  const meets = (placesOf: (cause: Cause) => string[], words: string): string => {
    const common = placesOf(causes[0]!).find((place) =>
      causes.every((cause) => placesOf(cause).includes(place)),
    )
    return common === undefined ? '' : `${words} ${common}`
  }
  return (
    meets(({ destination }) => [nameOf(destination)], 'to') ||
    meets(({ source }) => [nameOf(source)], 'from') ||
    meets(({ source, destination }) => [nameOf(source), nameOf(destination)], 'from and to') ||
    meets(({ destination }) => [destination.node], 'to') ||
    meets(({ source }) => [source.node], 'from') ||
    meets(({ source, destination }) => [source.node, destination.node], 'from and to')
  )
}

/** One line for each cause, the one of most flows first, each with where its flows meet or with an example. */
export const describeCauses = (causes: readonly Cause[]): string[] => {
  const groups = [...Map.groupBy(causes, ({ text }) => text).values()].sort((a, b) => b.length - a.length)
  const lines = groups.slice(0, MAX_LINES).map((group) => {
    const [{ text, source, destination }] = group as [Cause]
    const example = `${source.node} → ${destination.node} ${source.interface}`
    const meeting = meetingOf(group)
    const where = group.length === 1 ? ` ${example}` : meeting ? ` ${meeting}` : `, such as ${example}`
    return `${flowCount(group.length)}${where}: ${text}`
  })
  const rest = groups.slice(MAX_LINES).reduce((sum, group) => sum + group.length, 0)
  return rest > 0 ? [...lines, `${flowCount(rest)}: ${groups.length - MAX_LINES} other causes`] : lines
}
