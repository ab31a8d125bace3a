package gbdt

// objectiveAliases maps what LightGBM accepts to the name it stores (config.h, ParseObjectiveAlias).
var objectiveAliases = map[string]string{
	"regression": "regression", "regression_l2": "regression", "mean_squared_error": "regression", "mse": "regression", "l2": "regression",
	"l2_root": "regression", "root_mean_squared_error": "regression", "rmse": "regression",
	"regression_l1": "regression_l1", "mean_absolute_error": "regression_l1", "l1": "regression_l1", "mae": "regression_l1",
	"huber": "huber", "fair": "fair", "poisson": "poisson", "quantile": "quantile", "gamma": "gamma", "tweedie": "tweedie",
	"mape": "mape", "mean_absolute_percentage_error": "mape",
	"binary": "binary", "multiclass": "multiclass", "softmax": "multiclass",
	"multiclassova": "multiclassova", "multiclass_ova": "multiclassova", "ova": "multiclassova", "ovr": "multiclassova",
	"cross_entropy": "cross_entropy", "xentropy": "cross_entropy",
	"cross_entropy_lambda": "cross_entropy_lambda", "xentlambda": "cross_entropy_lambda",
	"lambdarank": "lambdarank", "rank_xendcg": "rank_xendcg", "xendcg": "rank_xendcg", "xe_ndcg": "rank_xendcg",
	"xe_ndcg_mart": "rank_xendcg", "xendcg_mart": "rank_xendcg",
	"none": "custom", "null": "custom", "custom": "custom", "na": "custom",
}

// objectiveName resolves an alias; a name that is not known stays.
func objectiveName(s string) string {
	if name, ok := objectiveAliases[s]; ok {
		return name
	}
	return s
}
