/** True when the text is a file path and not the name of a profile: it ends with .yaml or .yml, or contains a slash. */
export const isProfileFile = (text: string): boolean => /[/\\]|\.ya?ml$/i.test(text)
