/** One network interface of a node: where a pair begins or ends. */
export type NodeInterface = { readonly node: string; readonly interface: string }

// Neither a node's name nor an interface's name contains a space (config.ts, Linux), so keys are unambiguous.

/** Map key of an interface of a node. Also used in messages: `node-1 net0`. */
export const interfaceKey = ({ node, interface: name }: NodeInterface): string => `${node} ${name}`

/** Map key of a directed pair of interfaces. */
export const pairKey = (source: NodeInterface, destination: NodeInterface): string =>
  `${interfaceKey(source)} ${interfaceKey(destination)}`

/** Map key of a directed pair of names: nodes, or racks. */
export const directedKey = (source: string, destination: string): string => `${source} ${destination}`

/** Map key of a directed pair of nodes on interfaces of the same name. */
export const pathKey = (path: { source: string; destination: string; interface: string }): string =>
  `${path.source} ${path.destination} ${path.interface}`
