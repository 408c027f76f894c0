export function deferred() {
    let resolve = () => undefined;
    const done = new Promise((settle) => {
        resolve = settle;
    });
    return { done, resolve };
}
