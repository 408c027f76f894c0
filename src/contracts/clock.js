export const systemClock = {
    nowMs: () => Number(process.hrtime.bigint()) / 1e6,
    after(delayMs, callback) {
        const timer = setTimeout(callback, delayMs);
        return () => {
            clearTimeout(timer);
        };
    },
};
