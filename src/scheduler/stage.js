/** Yes for a full batch of the best size, for a smaller one that costs hardly more per row, and when the device is about to run dry. */
export function shouldStage(query, tuning) {
    return query.rows >= query.bestRows || query.rowMs <= query.bestRowMs * (1 + tuning.stageLoss) || query.dryInMs <= tuning.stageLeadMs;
}
