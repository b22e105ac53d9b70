"""What a pickle of a DS-1000 result may name: data types of Python and of the libraries, and what builds them.

This file is handed to a sandbox as text, above `science_caller.py`; the package never imports it. No function is here
but those by which the libraries' own objects pickle themselves; no type that calls what it is given (`vectorize`),
evaluates text (`Expr`) or makes code when it is restored (the distributions of `scipy.stats`).
"""

CALLED = {
    "builtins": "bytearray bytes complex frozenset range set slice",
    "collections": "Counter OrderedDict defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "dateutil.tz": "tzlocal tzoffset tzutc",
    "dateutil.tz.tz": "tzlocal tzoffset tzutc",
    "numpy": "dtype",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.numeric": "_frombuffer",
    "numpy.core.numeric": "_frombuffer",
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
    "numpy.random.bit_generator": "__pyx_unpickle_SeedSequence",
    "pandas": "Period StringDtype",
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
    "pandas._libs.internals": "_unpickle_block",
    "pandas._libs.tslibs.nattype": "_nat_unpickle",
    "pandas._libs.tslibs.offsets": (
        "BusinessDay BusinessHour BusinessMonthBegin BusinessMonthEnd DateOffset Day Hour Micro Milli Minute "
        "MonthBegin MonthEnd Nano QuarterBegin QuarterEnd Second SemiMonthBegin SemiMonthEnd Week WeekOfMonth "
        "YearBegin YearEnd"
    ),
    "pandas._libs.tslibs.period": "_unpickle_period",
    "pandas._libs.tslibs.timedeltas": "_timedelta_unpickle",
    "pandas._libs.tslibs.timestamps": "_unpickle_timestamp",
    "pandas.core.indexes.base": "_new_Index",
    "pandas.core.indexes.datetimes": "_new_DatetimeIndex",
    "pandas.core.indexes.interval": "_new_IntervalIndex",
    "pandas.core.indexes.period": "_new_PeriodIndex",
    "pandas.core.indexes.timedeltas": "_new_TimedeltaIndex",
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "pytz": "_UTC _p",
    "sklearn.tree._tree": "Tree",
}
"""What a pickle may call (`REDUCE`)."""

MADE = {
    "numpy": "poly1d",
    "numpy.polynomial": "Chebyshev Hermite Legendre Polynomial",
    "pandas": (
        "BooleanDtype CategoricalDtype DataFrame DatetimeTZDtype Float32Dtype Float64Dtype Int16Dtype "
        "Int32Dtype Int64Dtype Int8Dtype IntervalDtype PeriodDtype Series SparseDtype UInt16Dtype UInt32Dtype "
        "UInt64Dtype UInt8Dtype"
    ),
    "pandas.api.typing": "DataFrameGroupBy SeriesGroupBy",
    "pandas.arrays": (
        "ArrowStringArray BooleanArray FloatingArray IntegerArray IntervalArray NumpyExtensionArray "
        "SparseArray StringArray"
    ),
    "pandas.core.groupby.grouper": "Grouping",
    "pandas.core.groupby.ops": "BaseGrouper",
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "scipy.optimize": "OptimizeResult",
    "scipy.sparse": (
        "bsr_array bsr_matrix coo_array coo_matrix csc_array csc_matrix csr_array csr_matrix dia_array "
        "dia_matrix dok_array dok_matrix lil_array lil_matrix"
    ),
    "scipy.stats": "gaussian_kde",
    "scipy.stats._binned_statistic": "BinnedStatistic2dResult BinnedStatisticResult BinnedStatisticddResult",
    "scipy.stats._common": "ConfidenceInterval",
    "scipy.stats._crosstab": "CrosstabResult",
    "scipy.stats._hypotests": "Epps_Singleton_2sampResult",
    "scipy.stats._mannwhitneyu": "MannwhitneyuResult",
    "scipy.stats._morestats": (
        "AndersonResult Anderson_ksampResult AnsariResult BartlettResult FlignerResult LeveneResult Mean "
        "MedianTestResult ShapiroResult Std_dev Variance WilcoxonResult"
    ),
    "scipy.stats._stats_mstats_common": "SiegelslopesResult TheilslopesResult",
    "scipy.stats._stats_py": (
        "BrunnerMunzelResult CumfreqResult DescribeResult F_onewayResult FriedmanchisquareResult HistogramResult "
        "KruskalResult KstestResult KurtosistestResult LinregressResult ModeResult NormaltestResult "
        "Power_divergenceResult RanksumsResult RelfreqResult SigmaclipResult SignificanceResult SkewtestResult "
        "Ttest_indResult"
    ),
    "scipy.stats.contingency": "Chi2ContingencyResult",
    "uuid": "UUID",
    "sklearn.calibration": "CalibratedClassifierCV",
    "sklearn.cluster": (
        "AffinityPropagation AgglomerativeClustering Birch BisectingKMeans DBSCAN FeatureAgglomeration KMeans "
        "MeanShift MiniBatchKMeans OPTICS SpectralBiclustering SpectralClustering SpectralCoclustering"
    ),
    "sklearn.compose": "ColumnTransformer TransformedTargetRegressor",
    "sklearn.covariance": "EllipticEnvelope EmpiricalCovariance GraphicalLasso LedoitWolf MinCovDet OAS",
    "sklearn.cross_decomposition": "CCA PLSCanonical PLSRegression PLSSVD",
    "sklearn.decomposition": (
        "FactorAnalysis FastICA IncrementalPCA KernelPCA LatentDirichletAllocation MiniBatchNMF NMF PCA "
        "SparsePCA TruncatedSVD"
    ),
    "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "sklearn.dummy": "DummyClassifier DummyRegressor",
    "sklearn.ensemble": (
        "AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor ExtraTreesClassifier "
        "ExtraTreesRegressor GradientBoostingClassifier GradientBoostingRegressor IsolationForest "
        "RandomForestClassifier RandomForestRegressor StackingClassifier StackingRegressor VotingClassifier "
        "VotingRegressor"
    ),
    "sklearn.feature_extraction": "DictVectorizer FeatureHasher",
    "sklearn.feature_extraction.text": "CountVectorizer HashingVectorizer TfidfTransformer TfidfVectorizer",
    "sklearn.feature_selection": "RFE RFECV SelectFromModel SelectKBest SelectPercentile VarianceThreshold",
    "sklearn.impute": "KNNImputer MissingIndicator SimpleImputer",
    "sklearn.isotonic": "IsotonicRegression",
    "sklearn.kernel_ridge": "KernelRidge",
    "sklearn.linear_model": (
        "ARDRegression BayesianRidge ElasticNet ElasticNetCV HuberRegressor Lars Lasso LassoCV LassoLars "
        "LinearRegression LogisticRegression LogisticRegressionCV Perceptron PoissonRegressor RANSACRegressor "
        "Ridge RidgeCV RidgeClassifier SGDClassifier SGDRegressor TheilSenRegressor TweedieRegressor"
    ),
    "sklearn.manifold": "Isomap LocallyLinearEmbedding MDS SpectralEmbedding TSNE",
    "sklearn.metrics._scorer": "_PassthroughScorer",
    "sklearn.mixture": "BayesianGaussianMixture GaussianMixture",
    "sklearn.model_selection": (
        "GridSearchCV GroupKFold GroupShuffleSplit KFold LeaveOneOut LeavePOut ParameterGrid "
        "RandomizedSearchCV RepeatedKFold RepeatedStratifiedKFold ShuffleSplit StratifiedKFold "
        "StratifiedShuffleSplit TimeSeriesSplit"
    ),
    "sklearn.multiclass": "OneVsOneClassifier OneVsRestClassifier OutputCodeClassifier",
    "sklearn.multioutput": "ClassifierChain MultiOutputClassifier MultiOutputRegressor RegressorChain",
    "sklearn.naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
    "sklearn.neighbors": "KNeighborsClassifier KNeighborsRegressor NearestCentroid NearestNeighbors",
    "sklearn.neural_network": "BernoulliRBM MLPClassifier MLPRegressor",
    "sklearn.pipeline": "FeatureUnion Pipeline",
    "sklearn.preprocessing": (
        "Binarizer FunctionTransformer KBinsDiscretizer LabelBinarizer LabelEncoder MaxAbsScaler MinMaxScaler "
        "MultiLabelBinarizer Normalizer OneHotEncoder OrdinalEncoder PolynomialFeatures PowerTransformer "
        "QuantileTransformer RobustScaler SplineTransformer StandardScaler TargetEncoder"
    ),
    "sklearn.random_projection": "GaussianRandomProjection SparseRandomProjection",
    "sklearn.svm": "LinearSVC LinearSVR NuSVC NuSVR OneClassSVM SVC SVR",
    "sklearn.tree": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
    "sklearn.utils": "Bunch",
}
"""Of what a pickle may make an empty object (`NEWOBJ`), to give it a state."""

NAMED = {
    "builtins": "bool dict float int list object str tuple",
    "numpy": (
        "bool bool_ bytes_ complex128 complex64 datetime64 float16 float32 float64 int16 int32 int64 int8 "
        "ndarray object_ str_ timedelta64 uint16 uint32 uint64 uint8"
    ),
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64",
    "pandas": (
        "Categorical CategoricalIndex DatetimeIndex Index IntervalIndex MultiIndex NA PeriodIndex RangeIndex "
        "TimedeltaIndex Timestamp Timedelta"
    ),
    "pandas._libs.missing": "NA",
    "pandas.arrays": "DatetimeArray PeriodArray TimedeltaArray",
    "zoneinfo": "ZoneInfo",
}
"""What a pickle may name besides, as an argument of those."""
