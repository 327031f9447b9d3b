/** Whether the text is the path of a profile file, and not the name of a profile: it has a slash or ends in .yaml or .yml. */
export const isProfileFile = (text: string): boolean => /[/\\]|\.ya?ml$/i.test(text)
