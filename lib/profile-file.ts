/** A profile's file is told from a profile's name by its ending or its folder. */
export const isProfileFile = (text: string): boolean => /[/\\]|\.ya?ml$/i.test(text)
