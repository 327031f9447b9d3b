/** Counts the streams of sustained traffic on this node by the label of their caller. Describe returns the labels. */
export const createTrafficLabels = () => {
  const labels = new Map<string, number>()
  return {
    /**
     * Registers a stream under its caller's label.
     * @returns a function that removes it; call it when the programs of the stream have ended
     */
    register(label: string): () => void {
      labels.set(label, (labels.get(label) ?? 0) + 1)
      return () => {
        const left = labels.get(label)! - 1
        if (left > 0) labels.set(label, left)
        else labels.delete(label)
      }
    },
    labels: (): string[] => [...labels.keys()].filter((label) => label !== ''),
  }
}

export type TrafficLabels = ReturnType<typeof createTrafficLabels>
