/** Name and version of a key, the same for all revisions of a version: what labels and statistics go by. */
export function parseModelKey(key) {
    const slash = key.indexOf('/');
    const at = key.indexOf('@', slash);
    return { name: key.slice(0, slash), version: at === -1 ? key.slice(slash + 1) : key.slice(slash + 1, at) };
}
